// Where the page starts: styles, the accounts of this browser, the app. What the app is made of is app.tsx.

import "@fanfare/tokens/tokens.css";
import "@fanfare/react/indicator.css";
import "./ui/base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { Accounts, browserSurroundings } from "./session/accounts";
import { browserTurns } from "./session/turns";

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");

createRoot(root).render(
  <StrictMode>
    <App accounts={new Accounts(browserSurroundings())} turns={browserTurns()} />
  </StrictMode>,
);

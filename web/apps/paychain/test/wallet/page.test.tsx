// The wallet's page: what its ledger says follows what becomes of payments.

import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { openPage } from "../jobs/backend";
import { EMPLOYER, samplePayment } from "../jobs/sample";

test("money that was set aside is called paid as soon as it is, without a reload", async () => {
  const at = "2026-11-21T12:00:00.000Z";
  const payment = samplePayment({ payment_id: 3, status: "held" });
  const backend = openPage(EMPLOYER, "/wallet", []);
  backend.payments = [payment];
  backend.entries = [
    { entry_id: 9, kind: "hold", amount_usd: -450, job_id: 41, payment_id: 3, created_at: at },
    { entry_id: 8, kind: "deposit", amount_usd: 1450, job_id: null, payment_id: null, created_at: at },
  ];
  const line = (words: string) =>
    screen.findByText((_, element) => element?.textContent === words && element.tagName === "SPAN");

  await line("Set aside for job 41");
  expect(screen.getByRole("heading", { name: "Held now" })).toBeTruthy();

  backend.payments = [{ ...payment, status: "released" }];
  await backend.refresh();
  await line("Paid for job 41");
  expect(screen.queryByRole("heading", { name: "Held now" })).toBeNull();
});

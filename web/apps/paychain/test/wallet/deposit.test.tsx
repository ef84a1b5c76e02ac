// Depositing: what is under way can't be hidden, so that nobody sends the same money twice.

import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { type Answer, openPage, problem } from "../jobs/backend";
import { EMPLOYER } from "../jobs/sample";

test("a deposit that is under way keeps its dialog, and is sent once", async () => {
  const backend = openPage(EMPLOYER, "/wallet", []);
  let answered: (answer: Answer) => void = () => undefined;
  backend.post = () => new Promise<Answer>((resolve) => (answered = resolve));

  const open = await screen.findByRole("button", { name: "Deposit" });
  // The dialog is a part that is loaded: React wants that awaited.
  await act(async () => fireEvent.click(open));
  const dialog = await screen.findByRole("dialog", { name: "Deposit money" });
  fireEvent.change(within(dialog).getByLabelText("Amount in US dollars"), { target: { value: "250" } });
  const send = within(dialog).getByRole("button", { name: "Deposit" });
  fireEvent.click(send);
  await waitFor(() => expect(backend.asked).toHaveLength(1));

  fireEvent.click(send);
  fireEvent.click(within(dialog).getByRole("button", { name: "Cancel" }));
  fireEvent.keyDown(dialog, { key: "Escape" });
  expect(screen.queryByRole("dialog")).toBe(dialog);

  answered({ status: 201, body: { balance_usd: 1250, held_usd: 0 } });
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(backend.asked).toHaveLength(1);
  expect(backend.asked[0]?.body).toEqual({ amount_usd: 250 });
});

describe("a deposit whose answer is lost", () => {
  async function lose(amount: string) {
    const backend = openPage(EMPLOYER, "/wallet", []);
    backend.post = () => "unreachable";
    fireEvent.click(await screen.findByRole("button", { name: "Deposit" }));
    const dialog = await screen.findByRole("dialog", { name: "Deposit money" }, { timeout: 4000 });
    const type = (value: string) =>
      fireEvent.change(within(dialog).getByLabelText("Amount in US dollars"), { target: { value } });
    const send = () => fireEvent.click(within(dialog).getByRole("button", { name: "Deposit" }));
    const alert = () => within(dialog).getByRole("alert").textContent;
    type(amount);
    send();
    await waitFor(() => expect(alert()).toContain("No answer came"));
    return { backend, type, send, alert };
  }

  test("may be tried again with the same amount, and is then the same deposit", async () => {
    const { backend, type, send, alert } = await lose("100");
    expect(alert()).toContain("It is not known whether the deposit of $100.00 was made.");
    expect(alert()).toContain("Trying again with the same amount is safe");

    type("100.00");
    expect(alert()).toContain("Trying again with the same amount is safe");
    backend.post = () => ({ status: 201, body: { balance_usd: 1100, held_usd: 0 } });
    send();
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(backend.asked[1]?.key).toBe(backend.asked[0]?.key);
  });

  test("may have been made, and another amount is another deposit", async () => {
    const { backend, type, send, alert } = await lose("100");
    type("250");
    expect(alert()).toContain(
      "The deposit of $100.00 may have been made already. Another amount is another deposit.",
    );
    expect(alert()).not.toContain("safe");

    backend.post = () => problem(503, "busy");
    send();
    await waitFor(() => expect(alert()).toContain("This try did not work"));
    expect(alert()).toContain("The deposit of $100.00 may have been made already.");
    expect(backend.asked[1]?.key).not.toBe(backend.asked[0]?.key);
  });
});

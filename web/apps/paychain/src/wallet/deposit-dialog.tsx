// Puts money into an employer's wallet. The server books it by word alone, and refuses it in production.

import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { Attempt } from "../api/attempt";
import { answer } from "../api/client";
import { ApiProblem } from "../api/problem";
import { KEYS } from "../api/queries";
import { fieldFaults } from "../api/words";
import { useApi } from "../session";
import {
  announce,
  Button,
  Dialog,
  focusFirstError,
  formatMoney,
  MoneyField,
  Problem,
  parseMoney,
} from "../ui";

/** The dialog. It is open as long as it is there. */
export function DepositDialog({ onClose }: { onClose: () => void }) {
  const api = useApi();
  const queries = useQueryClient();
  const form = useId();
  const [attempt] = useState(() => new Attempt());
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [pending, setPending] = useState(false);
  const closed = error instanceof ApiProblem && error.code === "deposits_disabled";

  const reject = (sentence: string) => {
    setFault(sentence);
    requestAnimationFrame(() => focusFirstError(document.getElementById(form)));
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (pending) return;
    const typed = parseMoney(text);
    setError(null);
    setFault(null);
    if (typed.amount === null) return reject(typed.fault);
    const body = { amount_usd: typed.amount };
    setPending(true);
    try {
      await answer(api.POST("/wallet/deposit", { body, headers: attempt.headers(body) }));
      attempt.done();
      announce(`Deposited ${formatMoney(typed.amount)}`);
      void queries.invalidateQueries({ queryKey: KEYS.wallet });
      onClose();
    } catch (thrown) {
      setPending(false);
      const atField = fieldFaults(thrown).amount_usd;
      if (atField) reject(atField);
      else setError(thrown);
    }
  };

  return (
    <Dialog
      open
      keep
      onOpenChange={(open) => !open && onClose()}
      title="Deposit money"
      description="Demo money: no bank or card is behind it, and it can only be used for jobs on this server."
      footer={
        closed ? (
          <Button onClick={onClose}>Close</Button>
        ) : (
          <>
            <Button type="submit" form={form} look="primary" pending={pending}>
              Deposit
            </Button>
            <Button onClick={onClose}>Cancel</Button>
          </>
        )
      }
    >
      {!closed && (
        <form id={form} onSubmit={(event) => void submit(event)} noValidate>
          <MoneyField label="Amount in US dollars" value={text} onChange={setText} error={fault} required />
        </form>
      )}
      {error !== null && (
        <Problem error={error} asked={{ title: "The deposit was not made", kind: "write" }} />
      )}
    </Dialog>
  );
}

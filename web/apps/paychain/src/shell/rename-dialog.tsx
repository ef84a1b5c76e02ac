// Changes the user's own name.

import { type FormEvent, useId, useState } from "react";
import { fieldFaults } from "../api/words";
import { useSession } from "../session";
import { NAME_MOST, nameFault } from "../session/rules";
import { Button, Dialog, focusFirstError, Problem, TextField } from "../ui";

/** The dialog. It is open as long as it is there. */
export function RenameDialog({ onClose, onRenamed }: { onClose: () => void; onRenamed: () => void }) {
  const { user, rename } = useSession();
  const form = useId();
  const [name, setName] = useState(user.name);
  const [fault, setFault] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [pending, setPending] = useState(false);

  const close = () => {
    if (!pending) onClose();
  };

  const reject = (sentence: string) => {
    setFault(sentence);
    requestAnimationFrame(() => focusFirstError(document.getElementById(form)));
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (pending) return;
    const wrong = nameFault(name);
    setError(null);
    if (wrong) return reject(wrong);
    setFault(null);
    setPending(true);
    try {
      await rename(name.trim());
      onRenamed();
    } catch (thrown) {
      const atField = fieldFaults(thrown).name;
      if (atField) reject(atField);
      else setError(thrown);
      setPending(false);
    }
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && close()}
      title="Change name"
      footer={
        <>
          <Button type="submit" form={form} look="primary" pending={pending}>
            Change name
          </Button>
          <Button onClick={close}>Cancel</Button>
        </>
      }
    >
      <form id={form} onSubmit={(event) => void submit(event)} noValidate>
        <TextField
          label="Name"
          autoComplete="name"
          maxLength={NAME_MOST * 2}
          value={name}
          onChange={setName}
          error={fault}
        />
      </form>
      {error !== null && (
        <Problem error={error} asked={{ title: "The name was not changed", kind: "write-once" }} />
      )}
    </Dialog>
  );
}

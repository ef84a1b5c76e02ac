// The page for making an account, as an employer or as a worker.

import { type FormEvent, useRef, useState } from "react";
import { Link, useLocation } from "react-router";
import { answer } from "../api/client";
import { ApiProblem, NoAnswer } from "../api/problem";
import { AlertIcon, Button, focusFirstError, PasswordField, Problem, TextField, usePageTitle } from "../ui";
import type { Role } from "./accounts";
import { Entry } from "./entry";
import styles from "./entry.module.css";
import { type FormFaults, formFaults, NO_FAULTS, ownFaults } from "./form-faults";
import { emailFault, NAME_MOST, nameFault, newPasswordFault, PASSWORD } from "./rules";
import { useEntrance } from "./session";

const ASKED = {
  title: "The account was not created",
  kind: "write-once",
  unknown:
    "The account may have been created. Try again: if it was, this page says so and leads you to sign in.",
} as const;

/** Where an earlier try got no answer. */
const ASKED_AGAIN = {
  ...ASKED,
  title: "This try did not work",
  meaning: "The account may have been created before.",
} as const;

type Field = "user_type" | "name" | "email" | "password";

const ROLES: readonly { role: Role; name: string; text: string }[] = [
  {
    role: "employer",
    name: "Employer",
    text: "I post jobs. The pay is set aside when I post, and paid when I say that the work is done.",
  },
  {
    role: "worker",
    name: "Worker",
    text: "I do jobs. The pay of every job I see is set aside already.",
  },
];

/** The page. */
export function SignUpPage() {
  usePageTitle("Create account");
  const { api, signIn } = useEntrance();
  const { state } = useLocation();
  const form = useRef<HTMLFormElement>(null);
  const [role, setRole] = useState<Role | null>(null);
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [faults, setFaults] = useState<FormFaults<Field>>(NO_FAULTS);
  const [pending, setPending] = useState(false);
  /** The emails whose answers were lost: each may have an account now. */
  const [lost, setLost] = useState<ReadonlySet<string>>(new Set());
  const { fields, panel } = faults;
  const mayBeThere = lost.has(email.trim().toLowerCase());
  const taken = panel instanceof ApiProblem && panel.code === "email_taken";

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (pending) return;
    const wrong = ownFaults<Field>({
      user_type: role === null ? "Choose one of the two." : null,
      name: nameFault(name),
      email: emailFault(email),
      password: newPasswordFault(password),
    });
    setFaults({ fields: wrong, panel: null });
    if (role === null || Object.keys(wrong).length > 0) {
      requestAnimationFrame(() => focusFirstError(form.current));
      return;
    }
    setPending(true);
    const body = { name: name.trim(), email: email.trim(), password, user_type: role };
    try {
      signIn(await answer(api.POST("/auth/register", { body })));
    } catch (error) {
      setFaults(formFaults(error, ["user_type", "name", "email", "password"]));
      if (error instanceof NoAnswer && error.cause !== "offline") {
        setLost((before) => new Set(before).add(body.email.toLowerCase()));
      }
      setPending(false);
      requestAnimationFrame(() => focusFirstError(form.current));
    }
  };

  return (
    <Entry heading="Create account">
      <form ref={form} className={styles.form} onSubmit={(event) => void submit(event)} noValidate>
        <fieldset className={styles.roles} aria-describedby={fields.user_type ? "role-fault" : undefined}>
          <legend className={styles.legend}>What brings you here</legend>
          {ROLES.map((one) => (
            <label key={one.role} className={styles.role}>
              <input
                type="radio"
                name="user_type"
                value={one.role}
                checked={role === one.role}
                onChange={() => setRole(one.role)}
                aria-invalid={fields.user_type ? true : undefined}
                aria-describedby={`role-${one.role}`}
                aria-label={one.name}
              />
              <span className={styles.roleName}>{one.name}</span>
              <span id={`role-${one.role}`} className={styles.roleText}>
                {one.text}
              </span>
            </label>
          ))}
          {fields.user_type && (
            <p id="role-fault" className={styles.roleFault}>
              <AlertIcon /> {fields.user_type}
            </p>
          )}
        </fieldset>
        <TextField
          label="Name"
          name="name"
          autoComplete="name"
          maxLength={NAME_MOST * 2}
          required
          value={name}
          onChange={setName}
          error={fields.name}
        />
        <TextField
          label="Email"
          type="email"
          name="email"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          value={email}
          onChange={setEmail}
          error={
            taken ? (
              <>
                {mayBeThere
                  ? "This account was probably created a moment ago, when no answer came."
                  : "This email is registered already."}{" "}
                <Link to="/sign-in" state={{ ...asRecord(state), email: email.trim() }}>
                  Sign in with it
                </Link>
              </>
            ) : (
              fields.email
            )
          }
        />
        <PasswordField
          label="Password"
          name="password"
          autoComplete="new-password"
          required
          hint={`At least ${PASSWORD.least} characters.`}
          value={password}
          onChange={setPassword}
          error={fields.password}
        />
        {panel !== null && !taken && <Problem error={panel} asked={mayBeThere ? ASKED_AGAIN : ASKED} />}
        <div className={styles.send}>
          <Button type="submit" look="primary" wide pending={pending}>
            Create account
          </Button>
        </div>
      </form>
    </Entry>
  );
}

function asRecord(state: unknown): Record<string, unknown> {
  return typeof state === "object" && state !== null ? { ...state } : {};
}

// What the user service takes, checked before anything is sent, so that a fault is told at once and in the same words
// everywhere. The service checks the same again. Each function gives a sentence for the field, or null.

/** The shortest and the longest password that can be set, in characters. */
export const PASSWORD = { least: 8, most: 200 } as const;
/** The longest email and name, in characters. */
export const EMAIL_MOST = 254;
export const NAME_MOST = 200;

/** What is wrong with an email. */
export function emailFault(email: string): string | null {
  const text = email.trim();
  if (text === "") return "Enter your email.";
  const [before, after, ...more] = text.split("@");
  if (after === undefined || more.length > 0) return "An email has one @, as in anna@example.com.";
  if (before === "" || after === "") return "An email has something on both sides of the @.";
  if (/\s/.test(text)) return "An email has no spaces.";
  if (length(text) > EMAIL_MOST) return `An email has at most ${EMAIL_MOST} characters.`;
  return null;
}

/** What is wrong with a password that is to be set. */
export function newPasswordFault(password: string): string | null {
  if (password === "") return "Choose a password.";
  const missing = PASSWORD.least - length(password);
  if (missing > 0)
    return `Add ${missing} more ${missing === 1 ? "character" : "characters"}: a password has at least ${PASSWORD.least}.`;
  if (length(password) > PASSWORD.most) return `A password has at most ${PASSWORD.most} characters.`;
  return null;
}

/** What is wrong with a name. */
export function nameFault(name: string): string | null {
  const text = name.trim();
  if (text === "") return "Enter your name.";
  if (length(text) > NAME_MOST) return `A name has at most ${NAME_MOST} characters.`;
  return null;
}

/** Characters as the services count them. */
function length(text: string): number {
  return [...text].length;
}

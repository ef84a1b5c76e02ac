// The app's building blocks, for all of its rooms. What is not named here is the building blocks' own.

export { Money, type MoneyProps } from "./amount";
export { announce } from "./announce";
export { Badge, type Tone } from "./badge";
export {
  Button,
  ButtonLink,
  type ButtonLook,
  type ButtonProps,
  IconButton,
  type IconButtonProps,
} from "./button";
export { Dialog, type DialogProps, preloadDialog } from "./dialog";
export { EmptyState, type EmptyStateProps } from "./empty-state";
export { FailureBoundary, NotOpened } from "./failure";
export { focusFirstError } from "./field";
export * from "./icons";
export { PHONE, useMediaQuery } from "./media-query";
export {
  Menu,
  MenuChoice,
  MenuItem,
  type MenuItemProps,
  MenuLabel,
  type MenuProps,
  MenuSeparator,
} from "./menu";
export {
  formatMoney,
  formatSignedMoney,
  LEAST_AMOUNT,
  MOST_AMOUNT,
  parseMoney,
  type TypedAmount,
} from "./money";
export { MoneyField } from "./money-field";
export { PageHeading, usePageTitle } from "./page";
export { type Part, part, whenIdle } from "./part";
export { Problem, type ProblemProps } from "./problem";
export { type Option, Select, type SelectProps } from "./select";
export { Loading, Skeleton } from "./skeleton";
export { PasswordField, TextArea, type TextAreaProps, TextField, type TextFieldProps } from "./text-field";
export { formatClock, formatExact, formatRelative, formatWait } from "./time";
export { TimeAgo, useNow } from "./time-ago";
export { VisuallyHidden } from "./visually-hidden";

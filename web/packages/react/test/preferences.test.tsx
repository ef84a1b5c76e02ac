// The preferences over the real inbox: what is saved, what is refused, and what stays typed.

import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { Inbox, NotificationPreferences } from "../src/inbox/index.js";
import { openService, show } from "./inbox-service.js";

const tick = (name: string) => screen.findByRole("checkbox", { name }) as Promise<HTMLInputElement>;
const field = (name: string) => screen.getByLabelText(name) as HTMLInputElement;

it("a tick is saved at once, and goes back if the service refuses", async () => {
  const service = await openService(0);
  show(service, <NotificationPreferences locale="en" categories={["payments"]} />);
  const sound = await tick("Jobs: Sound");
  fireEvent.click(sound);
  expect(sound.checked).toBe(false);
  await screen.findByText("Saved.");
  expect(service.saved).toEqual([{ categories: { jobs: { in_app: true, push: true, sound: false } } }]);

  // A category that was never chosen for begins as all others are.
  fireEvent.click(await tick("Payments: Push"));
  await waitFor(() => expect(service.saved).toHaveLength(2));
  expect(service.saved[1]).toEqual({
    categories: { payments: { in_app: true, push: false, sound: false } },
  });

  service.refuses = 503;
  fireEvent.click(sound);
  expect(sound.checked).toBe(true);
  await screen.findByText(/were not saved/);
  expect(sound.checked).toBe(false);
});

it("quiet hours are saved as a whole, and what is wrong stands at its field", async () => {
  const service = await openService(0);
  show(service, <NotificationPreferences locale="en" />);
  fireEvent.click(await tick("Quiet hours"));
  fireEvent.change(field("To"), { target: { value: "22:00" } });
  fireEvent.change(field("Time zone"), { target: { value: "Nowhere" } });
  fireEvent.click(screen.getByRole("button", { name: "Save quiet hours" }));
  expect(field("To").getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(field("To"));
  screen.getByText("Choose an end that differs from the start.");
  screen.getByText("Enter a time zone such as Europe/Berlin.");
  expect(service.saved).toEqual([]);

  fireEvent.change(field("To"), { target: { value: "06:30" } });
  fireEvent.change(field("Time zone"), { target: { value: "Europe/Berlin" } });
  fireEvent.click(screen.getByRole("checkbox", { name: "Sun" }));
  service.refuses = 422;
  service.errors = [{ member: "quiet_hours.time_zone", message: "is not known here" }];
  fireEvent.click(screen.getByRole("button", { name: "Save quiet hours" }));
  await screen.findByText("is not known here");
  // What was typed is still there, and is saved as it is.
  expect(field("Time zone").value).toBe("Europe/Berlin");
  service.refuses = null;
  fireEvent.click(screen.getByRole("button", { name: "Save quiet hours" }));
  await waitFor(() => expect(service.saved).toHaveLength(1));
  expect(service.saved[0]).toEqual({
    quiet_hours: {
      enabled: true,
      start: "22:00",
      end: "06:30",
      time_zone: "Europe/Berlin",
      days: ["mon", "tue", "wed", "thu", "fri", "sat"],
    },
  });
  await waitFor(() => expect(screen.queryByRole("button", { name: "Save quiet hours" })).toBeNull());
});

it("the language of the notifications is chosen in its own words", async () => {
  const service = await openService(0);
  show(service, <NotificationPreferences locale="en" />);
  const language = await screen.findByLabelText("Language");
  expect([...language.querySelectorAll("option")].map(({ textContent }) => textContent)).toEqual([
    "English",
    "Deutsch",
  ]);
  fireEvent.change(language, { target: { value: "de" } });
  await waitFor(() => expect(service.saved).toEqual([{ locale: "de" }]));
});

it("what could not be loaded is said, and tried again", async () => {
  const service = await openService(0);
  service.refuses = 503;
  show(service, <NotificationPreferences locale="en" />);
  await screen.findByText(/could not be loaded/);
  service.refuses = null;
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  await tick("Jobs: In the app");
});

it("notifications of the desktop are asked for by a click, and a browser that blocks them is named", async () => {
  const service = await openService(0);
  const Desktop = {
    permission: "default",
    requestPermission: vi.fn(async () => {
      Desktop.permission = "denied";
    }),
  };
  vi.stubGlobal("Notification", Desktop);
  vi.stubGlobal("isSecureContext", true);
  show(service, <NotificationPreferences locale="en" />);
  const desktop = await tick("Desktop notifications in this browser");
  expect(Desktop.requestPermission).not.toHaveBeenCalled();
  fireEvent.click(desktop);
  await screen.findByText(/blocks them for this site/);
  expect(desktop.checked).toBe(false);
  expect(desktop.disabled).toBe(true);
});

it("the panel has them itself where the app has no place for them", async () => {
  const service = await openService(1);
  show(service, <Inbox locale="en" alerts={false} />);
  fireEvent.click(screen.getByRole("button", { name: /^Notifications/ }));
  fireEvent.click(screen.getByRole("button", { name: "Notification settings" }));
  const panel = screen.getByRole("dialog", { name: "Notification settings" });
  await within(panel).findByRole("table");
  expect(document.activeElement).toBe(panel);
  fireEvent.click(within(panel).getByRole("button", { name: "Back" }));
  screen.getByRole("dialog", { name: "Notifications" });
});

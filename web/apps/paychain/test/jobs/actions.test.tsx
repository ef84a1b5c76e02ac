// What a page says of an action while the job changes elsewhere, and while answers are lost.

import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import type { Job } from "../../src/jobs/job";
import { openPage } from "./backend";
import { EMPLOYER, sampleJob, WORKER } from "./sample";

const button = (name: string | RegExp) => screen.findByRole("button", { name });

function accepted(job: Job): Job {
  return { ...job, status: "accepted", worker_id: WORKER.user_id, updated_at: "2026-03-01T11:00:00.000Z" };
}

describe("a double click", () => {
  test("on what confirms is one call", async () => {
    const job = accepted(sampleJob());
    const backend = openPage(EMPLOYER, "/jobs/41", [job]);
    backend.post = () => ({ status: 200, body: { ...job, status: "completed" } });
    fireEvent.click(await button("Complete and pay $450.00"));
    const sure = within(await screen.findByRole("dialog")).getByRole("button", {
      name: "Complete and pay $450.00",
    });
    // In one turn: nothing is drawn between the two.
    act(() => {
      sure.click();
      sure.click();
    });
    backend.jobs = [{ ...job, status: "completed" }];
    await screen.findByText("Completed and paid", { selector: "h2" });
    expect(backend.asked).toHaveLength(1);
    expect(screen.queryByRole("alert")).toBeNull();
  });

  test("on what posts is one call", async () => {
    const backend = openPage(EMPLOYER, "/jobs", []);
    backend.post = () => ({ status: 201, body: sampleJob() });
    fireEvent.click(await button("Post a job"));
    const dialog = await screen.findByRole("dialog");
    fireEvent.change(within(dialog).getByLabelText("Title"), { target: { value: "Logo" } });
    fireEvent.change(within(dialog).getByLabelText("Pay"), { target: { value: "10" } });
    const post = within(dialog).getByRole("button", { name: "Post job" });
    act(() => {
      post.click();
      post.click();
    });
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(backend.asked).toHaveLength(1);
  });
});

describe("when the job changes elsewhere", () => {
  test("what went wrong before is not said any more", async () => {
    const backend = openPage(WORKER, "/jobs/41", [sampleJob()]);
    backend.post = () => "unreachable";
    fireEvent.click(await button("Accept job"));
    expect((await screen.findByRole("alert")).textContent).toContain("No answer came");
    backend.jobs = [accepted(sampleJob())];
    await backend.refresh();
    expect(await screen.findByText(/^Waiting for Employer/)).toBeTruthy();
    await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  });

  test("a question that is settled goes", async () => {
    for (const open of ["Complete and pay $450.00", "Cancel job"]) {
      const job = accepted(sampleJob());
      const backend = openPage(EMPLOYER, "/jobs/41", [job]);
      fireEvent.click((await screen.findAllByRole("button", { name: open })).at(-1) as HTMLElement);
      await screen.findByRole("dialog");
      backend.jobs = [{ ...job, status: "completed" }];
      await backend.refresh();
      await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
      expect(backend.asked).toHaveLength(0);
      document.body.replaceChildren();
    }
  });

  test("a row that is left in the list of open jobs does not say that it is open", async () => {
    const backend = openPage(WORKER, "/jobs", [sampleJob()]);
    const row = await screen.findByRole("link", { name: /\$450\.00/ });
    fireEvent.pointerEnter(row, { pointerType: "mouse" });
    backend.jobs = [];
    await backend.refresh();
    await waitFor(() => expect(row.textContent).toContain("No longer open"));
  });
});

test("a question about money begins with the answer that moves none", async () => {
  openPage(EMPLOYER, "/jobs/41", [accepted(sampleJob())]);
  fireEvent.click(await button("Complete and pay $450.00"));
  const dialog = await screen.findByRole("dialog");
  const no = within(dialog).getByRole("button", { name: "Not yet" });
  await waitFor(() => expect(document.activeElement).toBe(no));
});

test("a form that is changed after its answer was lost says that the first try may have worked", async () => {
  const backend = openPage(EMPLOYER, "/jobs", []);
  backend.post = () => "unreachable";
  fireEvent.click(await button("Post a job"));
  const dialog = await screen.findByRole("dialog");
  fireEvent.change(within(dialog).getByLabelText("Title"), { target: { value: "Logo" } });
  fireEvent.change(within(dialog).getByLabelText("Pay"), { target: { value: "40" } });
  fireEvent.click(within(dialog).getByRole("button", { name: "Post job" }));
  const alert = await within(dialog).findByRole("alert");
  expect(alert.textContent).toContain("can't happen twice");
  fireEvent.change(within(dialog).getByLabelText("Pay"), { target: { value: "45" } });
  await waitFor(() => expect(alert.textContent).toContain("“Logo” with $40.00"));
  expect(alert.textContent).not.toContain("can't happen twice");
  fireEvent.change(within(dialog).getByLabelText("Pay"), { target: { value: "40" } });
  await waitFor(() => expect(alert.textContent).toContain("can't happen twice"));
});

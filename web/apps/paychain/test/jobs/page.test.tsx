import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test, vi } from "vitest";
import type { Job } from "../../src/jobs/job";
import { type Answer, openPage, problem } from "./backend";
import { EMPLOYER, jobsDown, sampleJob, WORKER } from "./sample";

const button = (name: string | RegExp) => screen.findByRole("button", { name });
const titles = () =>
  screen.getAllByRole("link", { name: /\$450\.00/ }).map((link) => Number(link.dataset.job));

function accepted(job: Job): Job {
  return { ...job, status: "accepted", worker_id: WORKER.user_id, updated_at: "2026-03-01T11:00:00.000Z" };
}

describe("accepting a job", () => {
  test("waits for the answer, is sent once however often it is pressed, and shows what comes next", async () => {
    const backend = openPage(WORKER, "/jobs/41", [sampleJob()]);
    let answered: (answer: Answer) => void = () => undefined;
    backend.post = () => new Promise<Answer>((resolve) => (answered = resolve));

    const accept = await button("Accept job");
    fireEvent.click(accept);
    const waiting = await button("Accepting");
    expect(waiting.getAttribute("aria-busy")).toBe("true");
    fireEvent.click(waiting);
    await waitFor(() => expect(backend.asked).toHaveLength(1));

    const job = accepted(sampleJob());
    backend.jobs = [job];
    answered({ status: 200, body: job });
    expect(await screen.findByText("Waiting for Employer #7 to confirm the work")).toBeTruthy();
    expect(backend.asked).toHaveLength(1);
  });

  test("carries the same key when it is tried again", async () => {
    const backend = openPage(WORKER, "/jobs/41", [sampleJob()]);
    const answers: Answer[] = ["unreachable", problem(503, "store_unavailable")];
    backend.post = () => answers.shift() ?? { status: 200, body: accepted(sampleJob()) };

    fireEvent.click(await button("Accept job"));
    expect((await screen.findByRole("alert")).textContent).toContain("No answer came");
    fireEvent.click(await button("Accept job"));
    await waitFor(() => expect(screen.getByRole("alert").textContent).toContain("can't reach its data"));
    backend.jobs = [accepted(sampleJob())];
    fireEvent.click(await button("Accept job"));
    expect(await screen.findByText(/^Waiting for Employer/)).toBeTruthy();

    const [first, second, third] = backend.asked;
    expect(first?.key).toMatch(/^[0-9a-f]{32}$/);
    expect([second?.key, third?.key]).toEqual([first?.key, first?.key]);
  });

  test("that comes too late says so, and shows whose job it is now", async () => {
    const backend = openPage(WORKER, "/jobs/41", [sampleJob()]);
    backend.post = () => {
      backend.jobs = [{ ...accepted(sampleJob()), worker_id: 10 }];
      return problem(409, "wrong_state", { state: "accepted" });
    };
    fireEvent.click(await button("Accept job"));
    expect((await screen.findByRole("alert")).textContent).toContain("Another worker was faster");
    expect(await screen.findByText("Another worker is on it")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Accept job" })).toBeNull();
  });

  test("that this worker did before, without hearing the answer, is no lost race", async () => {
    const backend = openPage(WORKER, "/jobs/41", [sampleJob()]);
    backend.post = () => {
      backend.jobs = [accepted(sampleJob())];
      return problem(409, "wrong_state", { state: "accepted" });
    };
    fireEvent.click(await button("Accept job"));
    expect(await screen.findByText(/^Waiting for Employer/)).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });
});

describe("completing a job", () => {
  test("asks first, says what it does to the money, and stays open while nothing was changed", async () => {
    const job = accepted(sampleJob());
    const backend = openPage(EMPLOYER, "/jobs/41", [job]);
    backend.post = () =>
      problem(503, "payment_unavailable", { title: "The payment service is away; nothing has changed" });

    fireEvent.click(await button("Complete and pay $450.00"));
    const dialog = await screen.findByRole("dialog", { name: "Pay $450.00 to Worker #9?" });
    expect(backend.asked).toHaveLength(0);
    fireEvent.click(within(dialog).getByRole("button", { name: "Complete and pay $450.00" }));
    expect((await within(dialog).findByRole("alert")).textContent).toContain(
      "Nothing was changed. Try again in a moment.",
    );

    const done: Job = { ...job, status: "completed" };
    backend.post = () => {
      backend.jobs = [done];
      return { status: 200, body: done };
    };
    fireEvent.click(within(dialog).getByRole("button", { name: "Complete and pay $450.00" }));
    expect(await screen.findByText("$450.00 went to Worker #9.", { exact: false })).toBeTruthy();
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(backend.asked.map(({ path }) => path)).toEqual(["/jobs/41/complete", "/jobs/41/complete"]);
    expect(backend.asked[0]?.key).toBe(backend.asked[1]?.key);
  });

  test("and cancelling are two intents with two keys", async () => {
    const backend = openPage(EMPLOYER, "/jobs/41", [accepted(sampleJob())]);
    for (const [open, sure, leave] of [
      ["Complete and pay $450.00", "Complete and pay $450.00", "Not yet"],
      ["Cancel job", "Cancel job", "Keep job"],
    ] as const) {
      fireEvent.click(await button(open));
      const dialog = await screen.findByRole("dialog");
      fireEvent.click(within(dialog).getByRole("button", { name: sure }));
      await within(dialog).findByRole("alert");
      fireEvent.click(within(dialog).getByRole("button", { name: leave }));
      await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    }
    expect(backend.asked.map(({ path }) => path)).toEqual(["/jobs/41/complete", "/jobs/41/cancel"]);
    expect(backend.asked[0]?.key).not.toBe(backend.asked[1]?.key);
  });
});

// Parts that are loaded later: a test does not wait for their first time.
describe("posting a job", () => {
  async function fill(dialog: HTMLElement, title: string, pay: string) {
    fireEvent.change(within(dialog).getByLabelText("Title"), { target: { value: title } });
    fireEvent.change(within(dialog).getByLabelText("Pay"), { target: { value: pay } });
    fireEvent.click(within(dialog).getByRole("button", { name: "Post job" }));
  }

  test("keeps what was typed when it fails, and its key while the content is the same", async () => {
    const backend = openPage(EMPLOYER, "/jobs", [sampleJob({ job_id: 40 })]);
    backend.post = () => problem(409, "insufficient_funds");
    fireEvent.click(await button("Post job"));
    const dialog = await screen.findByRole("dialog", { name: "Post a job" });
    await fill(dialog, "Logo", "1,500");
    const alert = await within(dialog).findByRole("alert");
    expect(alert.textContent).toContain("no money was held");
    expect(within(alert).getByRole("link", { name: "Show wallet" })).toBeTruthy();
    expect(within(dialog).getByLabelText<HTMLInputElement>("Title").value).toBe("Logo");

    backend.post = () => "unreachable";
    fireEvent.click(within(dialog).getByRole("button", { name: "Post job" }));
    await waitFor(() => expect(within(dialog).getByRole("alert").textContent).toContain("No answer came"));

    const posted = sampleJob({ job_id: 50, title: "Logo", pay_amount_usd: 900 });
    backend.post = () => {
      backend.jobs = [posted, ...backend.jobs];
      return { status: 201, body: posted };
    };
    await fill(dialog, "Logo", "900");
    expect(await screen.findByRole("heading", { name: "Logo" })).toBeTruthy();
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(screen.getByRole("link", { current: true, name: /Logo/ })).toBeTruthy();

    const [first, second, third] = backend.asked;
    expect(first?.key).toBe(second?.key);
    expect(third?.key).not.toBe(first?.key);
    expect(third?.body).toEqual({ title: "Logo", pay_amount_usd: 900, job_type: "development" });
  });

  test("says at the field what the service does not take, and sends nothing that is surely wrong", async () => {
    const backend = openPage(EMPLOYER, "/jobs", []);
    fireEvent.click(await button("Post job"));
    const dialog = await screen.findByRole("dialog");
    await fill(dialog, "", "");
    const title = within(dialog).getByLabelText("Title");
    await waitFor(() => expect(document.activeElement).toBe(title));
    expect(title.getAttribute("aria-invalid")).toBe("true");
    expect(backend.asked).toHaveLength(0);

    backend.post = () =>
      problem(422, "invalid", { errors: [{ member: "title", message: "must have 1 to 200 characters" }] });
    await fill(dialog, "Logo", "5");
    expect(await within(dialog).findByText("The title must have 1 to 200 characters.")).toBeTruthy();
    expect(within(dialog).queryByRole("alert")).toBeNull();

    fireEvent.change(title, { target: { value: "Logo for a bakery" } });
    expect(title.getAttribute("aria-invalid")).toBeNull();
    expect(within(dialog).queryByRole("alert")).toBeNull();
  });
});

describe("the page", () => {
  test("shows texts of others as text", async () => {
    openPage(WORKER, "/jobs/41", [
      sampleJob({ title: "<b>Bold</b>", description: "one\n<img src=x onerror=alert(1)>" }),
    ]);
    expect(await screen.findByRole("heading", { name: "<b>Bold</b>" })).toBeTruthy();
    expect(screen.getByText(/<img src=x/).textContent).toBe("one\n<img src=x onerror=alert(1)>");
    expect(document.querySelector("article img, article b")).toBeNull();
  });

  test("says that there is no such job", async () => {
    openPage(WORKER, "/jobs/999", [sampleJob()]);
    expect(await screen.findByRole("heading", { name: "There is no such job" })).toBeTruthy();
  });

  test.each(["/jobs/abc", "/jobs/0", "/jobs/99999999999999999999"])(
    "takes no nonsense for a job: %s",
    async (address) => {
      openPage(WORKER, address, [sampleJob()]);
      expect(await screen.findByRole("heading", { name: "There is no such job" })).toBeTruthy();
    },
  );

  test("has one stop for the Tab key in the list, and keys that move within it", async () => {
    openPage(WORKER, "/jobs", jobsDown(5, 1));
    const first = await screen.findByRole("link", { name: /^Job 5/ });
    expect(titles()).toEqual([5, 4, 3, 2, 1]);
    const stops = () => screen.getAllByRole("link", { name: /^Job / }).filter((link) => link.tabIndex === 0);
    expect(stops()).toEqual([first]);

    first.focus();
    for (const [key, id] of [
      ["j", 4],
      ["ArrowDown", 3],
      ["k", 4],
      ["End", 1],
      ["ArrowDown", 1],
      ["Home", 5],
      ["ArrowUp", 5],
    ] as const) {
      fireEvent.keyDown(document.activeElement ?? document.body, { key });
      expect((document.activeElement as HTMLElement).dataset.job).toBe(String(id));
      expect(stops()).toEqual([document.activeElement]);
    }
  });

  test("keeps fifty new jobs in one pill while the list is pointed at, and moves no row", async () => {
    const backend = openPage(WORKER, "/jobs", jobsDown(5, 1));
    const row = await screen.findByRole("link", { name: /^Job 5/ });
    fireEvent.pointerEnter(screen.getByRole("region", { name: "Jobs" }), { pointerType: "mouse" });
    for (const newest of [6, 7, 30, 55]) {
      backend.jobs = jobsDown(newest, 1);
      await backend.refresh();
    }
    const pill = await button("50 new jobs");
    expect(titles()).toEqual([5, 4, 3, 2, 1]);
    expect(screen.getByRole("link", { name: /^Job 5/ })).toBe(row);

    fireEvent.click(pill);
    expect(titles()[0]).toBe(55);
    expect(new Set(titles()).size).toBe(55);
    expect(screen.queryByRole("button", { name: /new job/ })).toBeNull();
  });

  test("lets new jobs in when the pointer leaves the list", async () => {
    const backend = openPage(WORKER, "/jobs", jobsDown(5, 1));
    await screen.findByRole("link", { name: /^Job 5/ });
    const list = screen.getByRole("region", { name: "Jobs" });
    fireEvent.pointerEnter(list, { pointerType: "mouse" });
    backend.jobs = jobsDown(6, 1);
    await backend.refresh();
    expect(await button("1 new job")).toBeTruthy();
    fireEvent.pointerLeave(list, { pointerType: "mouse" });
    expect(titles()).toEqual([6, 5, 4, 3, 2, 1]);
  });

  test("goes on showing what it has when loading anew fails, and says so", async () => {
    const backend = openPage(WORKER, "/jobs", jobsDown(2, 1));
    await screen.findByRole("link", { name: /^Job 2/ });
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("nobody there")));
    await backend.refresh();
    expect((await screen.findByRole("alert")).textContent).toContain("May be out of date.");
    expect(titles()).toEqual([2, 1]);
  });

  test("tells an employer without jobs what will be here, with one button", async () => {
    openPage(EMPLOYER, "/jobs", []);
    expect(await screen.findByRole("heading", { name: "You have not posted a job yet" })).toBeTruthy();
    expect(screen.getAllByRole("button", { name: "Post a job" })).toHaveLength(1);
    fireEvent.click(await button("Post a job"));
    expect(await screen.findByRole("dialog", { name: "Post a job" })).toBeTruthy();
  });
});

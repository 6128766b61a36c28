import { toast } from "svelte-sonner";
import { api, type Schemas } from "../api/client.ts";
import { act } from "./act.ts";
import { asks_a_person } from "./authorize.svelte.ts";
import { session } from "./session.svelte.ts";

/** Consents that are not over though no dialog shows them: found here by whoever closed it, or never had it open. */
class Waiting {
  /** Those that ask a person here. */
  items = $state.raw<Schemas["Authorization"][]>([]);
  /** Those whose owners were given a link or a code and have not consented yet. */
  asked = $state.raw<Schemas["Authorization"][]>([]);
  /** How many were answered here; lists look again when it moves. */
  answered = $state(0);

  async load(): Promise<void> {
    if (!session.administrator) return;
    try {
      const { items } = await api.get("/api/v1/authorizations");
      this.items = items.filter((each) => each.state !== "pending");
      this.asked = items.filter((each) => each.state === "pending" && each.way !== "browser");
    } catch {
      // The page below says what is wrong; the questions come back with the next look.
    }
  }
  async cancel(attempt: Schemas["Authorization"]): Promise<void> {
    await act(() => api.post("/api/v1/authorizations/{id}/cancel", { path: { id: attempt.id } }), `What ${attempt.username}'s owner was sent works no more.`);
    await this.load();
  }
  async answer(attempt: Schemas["Authorization"], accept: boolean): Promise<void> {
    await act(async () => {
      const body = { accept, question: attempt.confirmation?.question ?? "" };
      const ended = await api.post("/api/v1/authorizations/{id}/confirm", { path: { id: attempt.id }, body });
      if (asks_a_person(ended)) toast.warning("It asks something else now; look again.", { description: ended.confirmation?.detail ?? "", duration: 10_000 });
      else if (!accept) toast.success(`The consent for ${attempt.username} is rejected; nothing of it is kept.`);
      else if (ended.state === "completed") toast.success(`${attempt.username} is authorized as ${attempt.confirmation?.now.name || "that account"}.`);
      else toast.error(ended.problem?.title ?? "The consent could not be taken over", { description: ended.problem?.detail ?? "Authorize again.", duration: 10_000 });
    });
    this.answered += 1;
    await this.load();
  }
}
export const waiting = new Waiting();

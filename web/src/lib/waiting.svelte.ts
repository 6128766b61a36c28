import { api, type Schemas } from "../api/client.ts";
import { act } from "./act.ts";
import { session } from "./session.svelte.ts";

/** Consents that ask a person. Found here by whoever closed the dialog in which they came, or never had it open. */
class Waiting {
  items = $state.raw<Schemas["Authorization"][]>([]);
  /** How many were answered here; lists look again when it moves. */
  answered = $state(0);

  async load(): Promise<void> {
    if (!session.administrator) return;
    try {
      this.items = (await api.get("/api/v1/authorizations", { query: { state: "asking" } })).items;
    } catch {
      // The page below says what is wrong; the questions come back with the next look.
    }
  }
  async answer(attempt: Schemas["Authorization"], accept: boolean): Promise<void> {
    await act(async () => {
      const ended = await api.post("/api/v1/authorizations/{id}/confirm", { path: { id: attempt.id }, body: { accept } });
      if (accept && ended.state !== "completed") throw new Error(ended.problem?.detail ?? "The consent could not be taken over. Authorize again.");
    }, accept ? `${attempt.username} is authorized as ${attempt.confirmation?.now.name || "that account"}.` : `The consent for ${attempt.username} is rejected; nothing of it is kept.`);
    this.answered += 1;
    await this.load();
  }
}
export const waiting = new Waiting();

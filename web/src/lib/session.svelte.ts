import { api, set_csrf_token, when_signed_out, type Schemas } from "../api/client.ts";

class Session {
  /** Null until the server has answered. */
  now = $state<Schemas["Session"] | null>(null);
  failure = $state<Error | null>(null);

  constructor() {
    when_signed_out(() => void this.load());
  }
  async load() {
    try {
      this.set(await api.get("/api/v1/session"));
      this.failure = null;
    } catch (error) {
      this.failure = error as Error;
    }
  }
  set(session: Schemas["Session"]) {
    set_csrf_token(session.csrf_token);
    this.now = session;
  }
  async sign_out() {
    await api.delete("/api/v1/session");
    await this.load();
  }
  get administrator(): boolean {
    return this.now?.user?.role === "administrator";
  }
}

export const session = new Session();

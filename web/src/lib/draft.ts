import type { Schemas } from "../api/client.ts";
import type { NewAuthorization } from "./authorize.svelte.ts";
import { username_problem } from "./username.ts";

export const kNewUser = "new";

/** What the Add dialog holds until Authorize is pressed. */
export interface Draft {
  /** Id of a group, or "+Name" for one to be made. */
  group: string;
  group_label: string;
  type: string;
  params: Record<string, string>;
  app: string;
  link: { id: string; username: string; has_pin: boolean } | null;
  username: string;
  name: string;
  email: string;
  pin: string;
  pin_again: string;
  allow_token: boolean;
  way: Schemas["AuthorizationWay"];
  /** The provider's account that must consent; empty: any, after approval. */
  account: string;
}

export function empty_draft(): Draft {
  return { group: "", group_label: "", type: "", params: {}, app: "", link: null, username: "", name: "", email: "", pin: "", pin_again: "", allow_token: false, way: "browser", account: "" };
}

/** Linking fills group and username from the user, unlinking empties them; the form locks them meanwhile. */
export function link_to(draft: Draft, user: Schemas["User"] | null): void {
  draft.link = user ? { id: user.id, username: user.username, has_pin: user.has_pin } : null;
  draft.username = user?.username ?? "";
  draft.group = user?.group.id ?? "";
  draft.group_label = user?.group.name ?? "";
  draft.name = user?.name ?? "";
  draft.email = user?.email ?? "";
  draft.allow_token = user ? user.uses.includes("token") : false;
  draft.pin = "";
  draft.pin_again = "";
}

/** Message per field; empty when the form can be sent. The PIN is judged by its own field. */
export function problems_of(draft: Draft, type: Schemas["Type"] | undefined): Record<string, string> {
  const problems: Record<string, string> = {};
  if (!draft.link) {
    if (draft.group === "") problems["group"] = "Choose a group, or type a name to create one.";
    const username = username_problem(draft.username);
    if (username) problems["username"] = username;
  }
  if (!type) problems["type"] = "Choose what to connect.";
  for (const p of type?.params ?? []) {
    const value = (draft.params[p.name] ?? "").trim();
    if (p.required && value === "") problems[`params.${p.name}`] = `${p.label} is needed. ${p.hint}`;
    else if (p.kind === "url" && value !== "" && !/^(?:https:\/\/[^\s/]+|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$))/i.test(value)) problems[`params.${p.name}`] = "Write the whole address, beginning with https://";
  }
  return problems;
}

export function request_of(draft: Draft): Omit<NewAuthorization, "presentation"> {
  const request: Omit<NewAuthorization, "presentation"> = { type: draft.type, params: {}, allow_token: draft.allow_token };
  for (const [name, value] of Object.entries(draft.params)) if (value.trim() !== "" && request.params) request.params[name] = value.trim();
  if (draft.app !== "") request.app = draft.app;
  if (draft.way !== "browser") {
    request.way = draft.way;
    if (draft.account.trim()) request.expected_account = draft.account.trim();
  }
  if (draft.link) {
    request.link_user_id = draft.link.id;
    if (!draft.link.has_pin) request.pin = draft.pin;
    return request;
  }
  if (draft.group.startsWith("+")) request.new_group = draft.group.slice(1);
  else request.group_id = draft.group;
  request.username = draft.username.normalize("NFC").trim();
  request.pin = draft.pin;
  if (draft.name.trim()) request.name = draft.name.trim();
  if (draft.email.trim()) request.email = draft.email.trim();
  return request;
}

import { describe, expect, it } from "vitest";
import type { Schemas } from "../api/client.ts";
import { empty_draft, link_to, problems_of, request_of } from "./draft.ts";

const type = {
  id: "dynamics365",
  params: [
    { name: "tenant", label: "Tenant", kind: "text", required: false, default: "organizations", options: [], hint: "" },
    { name: "environment_url", label: "Environment address", kind: "url", required: true, default: "", options: [], hint: "For example https://contoso.crm4.dynamics.com" },
  ],
} as unknown as Schemas["Type"];
const anna = { id: "u1", username: "anna", name: "Anna", email: "", group: { id: "g1", name: "Sales" }, has_pin: true, uses: ["deliver"], grants: [] } as unknown as Schemas["User"];

describe("problems_of", () => {
  it("names every field that is missing", () => {
    expect(Object.keys(problems_of(empty_draft(), undefined)).sort()).toEqual(["group", "type", "username"]);
    expect(Object.keys(problems_of({ ...empty_draft(), group: "g1", username: "hall", type: type.id }, type))).toEqual(["params.environment_url"]);
  });
  it.each(["http://contoso.example", "http://localhost.evil.example", "contoso.example", "https://"])("refuses the address %s", (address) => {
    const draft = { ...empty_draft(), group: "g1", username: "hall", type: type.id, params: { environment_url: address } };
    expect(problems_of(draft, type)["params.environment_url"]).toMatch(/https:\/\//);
  });
  it.each(["https://contoso.example", "http://localhost:9000/x", "http://127.0.0.1"])("takes the address %s", (address) => {
    const draft = { ...empty_draft(), group: "g1", username: "hall", type: type.id, params: { environment_url: address } };
    expect(problems_of(draft, type)).toEqual({});
  });
  it("asks a linked user for nothing but the type", () => {
    const draft = empty_draft();
    link_to(draft, anna);
    expect(problems_of(draft, { ...type, params: [] })).toEqual({});
  });
});

describe("request_of", () => {
  it("creates a group by name, or uses its id", () => {
    expect(request_of({ ...empty_draft(), group: "+Depot", username: "hall", pin: "x" })).toMatchObject({ new_group: "Depot" });
    expect(request_of({ ...empty_draft(), group: "g1", username: "hall", pin: "x" })).toMatchObject({ group_id: "g1" });
  });
  it("sends neither username nor PIN for a linked user who has one", () => {
    const draft = empty_draft();
    link_to(draft, anna);
    draft.type = type.id;
    draft.pin = "must not leave";
    const request = request_of(draft);
    expect(request).toEqual({ type: "dynamics365", params: {}, allow_token: false, link_user_id: "u1" });
  });
  it("leaves empty parameters and names out, and trims the rest", () => {
    const request = request_of({ ...empty_draft(), group: "g1", type: type.id, params: { tenant: " ", environment_url: " https://a.example " }, username: " hall ", pin: " kept as typed ", allow_token: true });
    expect(request).toEqual({ type: "dynamics365", params: { environment_url: "https://a.example" }, allow_token: true, group_id: "g1", username: "hall", pin: " kept as typed " });
  });
});

it("linking fills and unlinking empties", () => {
  const draft = empty_draft();
  link_to(draft, anna);
  expect(draft).toMatchObject({ username: "anna", group: "g1", group_label: "Sales", link: { id: "u1", has_pin: true } });
  link_to(draft, null);
  expect(draft).toMatchObject({ username: "", group: "", link: null });
});

import { describe, expect, it } from "vitest";
import { deeds, percent_sent, place_of, road_stations, size_words, source_words, step_words } from "./deliveries.ts";

describe("sizes", () => {
  it("are said as people say them", () => {
    expect([0, 1, 999, 1000, 1234, 9_999, 50_000, 999_499, 999_500, 5_000_000, 1_500_000_000].map(size_words)).toEqual(["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.2 kB", "10.0 kB", "50 kB", "999 kB", "1.0 MB", "5.0 MB", "1.5 GB"]);
  });
});

describe("a document's place", () => {
  it("is its file and its folder", () => {
    expect(place_of("Accounts/2026/invoice.pdf")).toEqual({ file: "invoice.pdf", folder: "Accounts/2026" });
    expect(place_of("invoice.pdf")).toEqual({ file: "invoice.pdf", folder: "" });
  });
});

it("a source is a door and an address", () => {
  expect(source_words("http 192.0.2.7")).toBe("HTTP from 192.0.2.7");
  expect(source_words("folder")).toBe("Folder");
});

describe("progress", () => {
  it("is whole only when the destination has said so", () => {
    expect(percent_sent(0, 0, "sending")).toBe(0);
    expect(percent_sent(999, 1000, "sending")).toBe(99);
    expect(percent_sent(0, 0, "delivered")).toBe(100);
    expect(percent_sent(2000, 1000, "sending")).toBe(100);
  });
});

it("steps nobody has words for are shown as they are", () => {
  expect(step_words("accepted")).toBe("Accepted");
  expect(step_words("waits")).toBe("Waits for an older one of its name");
  expect(step_words("something_new")).toBe("something_new");
});

describe("the road", () => {
  const on = (state: "queued" | "sending" | "parked" | "maybe_sent" | "failed" | "delivered") => road_stations({ state, source: "http 192.0.2.7", connector: "scans", submitter: "printer-1" });
  it("shows where the document is", () => {
    expect(on("queued").map((s) => s.name)).toEqual(["printer-1", "HTTP", "This server", "scans"]);
    expect(on("queued").find((s) => s.here)?.what).toBe("disk");
    expect(on("parked").find((s) => s.here)?.what).toBe("disk");
    expect(on("sending").find((s) => s.here)?.what).toBe("destination");
    expect(on("delivered").every((s) => s.reached)).toBe(true);
    expect(on("failed").at(-1)?.reached).toBe(false);
  });
  it("names doors nobody has words for as they are", () => {
    expect(road_stations({ state: "queued", source: "pigeon", connector: "scans", submitter: null })[1]?.name).toBe("pigeon");
  });
});

describe("what may be done", () => {
  it("depends on where the document is", () => {
    expect(deeds({ state: "delivered", tries: 1 })).toEqual({ retry: false, reroute: false, download: false, remove: true });
    expect(deeds({ state: "sending", tries: 1 })).toEqual({ retry: false, reroute: false, download: true, remove: false });
    expect(deeds({ state: "failed", tries: 3 })).toEqual({ retry: true, reroute: true, download: true, remove: true });
    expect(deeds({ state: "queued", tries: 0 }).retry).toBe(false);
    expect(deeds({ state: "queued", tries: 1 }).retry).toBe(true);
  });
});

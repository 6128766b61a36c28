import Ban from "@lucide/svelte/icons/ban";
import CircleCheck from "@lucide/svelte/icons/circle-check";
import CircleHelp from "@lucide/svelte/icons/circle-question-mark";
import CirclePause from "@lucide/svelte/icons/circle-pause";
import CircleX from "@lucide/svelte/icons/circle-x";
import CloudOff from "@lucide/svelte/icons/cloud-off";
import Hourglass from "@lucide/svelte/icons/hourglass";
import KeyRound from "@lucide/svelte/icons/key-round";
import type { Component } from "svelte";
import type { Schemas } from "../api/client.ts";

export type GrantState = Schemas["GrantState"];
export type Tone = "ok" | "warn" | "bad" | "info" | "off";
export interface StateFace {
  word: string;
  tone: Tone;
  icon: Component<Record<string, unknown>>;
  meaning: string;
}

type Icon = StateFace["icon"];

/** How each state looks and what it means; an icon and a word always, colour only besides. */
export const kStates: Record<GrantState, StateFace> = {
  active: { word: "Active", tone: "ok", icon: CircleCheck as Icon, meaning: "Keeps itself alive." },
  unreachable: { word: "Unreachable", tone: "warn", icon: CloudOff as Icon, meaning: "The provider does not answer; the present token is still served." },
  uncertain: { word: "Uncertain", tone: "warn", icon: CircleHelp as Icon, meaning: "A refresh may or may not have happened; Latchkey is finding out." },
  paused: { word: "Paused", tone: "warn", icon: CirclePause as Icon, meaning: "The app registration is broken; refreshing waits until it is mended." },
  needs_authorization: { word: "Needs authorization", tone: "bad", icon: KeyRound as Icon, meaning: "Somebody must consent again." },
  held: { word: "Held", tone: "info", icon: Hourglass as Icon, meaning: "Waits until an administrator approves the account." },
  disabled: { word: "Disabled", tone: "off", icon: Ban as Icon, meaning: "Switched off here." },
  revoked: { word: "Revoked", tone: "off", icon: CircleX as Icon, meaning: "Ended here." },
};
export const kStateOrder = Object.keys(kStates) as GrantState[];

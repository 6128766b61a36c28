import { getContext, hasContext, setContext } from "svelte";

const kLayer = Symbol("layer");

/** Where floating lists are put: into the page's main landmark, or, from inside a dialog, into the dialog. */
export function floating_home(): string {
  return hasContext(kLayer) ? getContext<string>(kLayer) : "#content";
}
export function inside_dialog(): void {
  setContext(kLayer, ".dialog");
}

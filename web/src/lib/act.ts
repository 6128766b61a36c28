import { toast } from "svelte-sonner";
import { as_api_error } from "./authorize.svelte.ts";

/** Runs a call of a button; a refusal becomes a toast. True when it went through. */
export async function act(call: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await call();
    if (done) toast.success(done);
    return true;
  } catch (error) {
    const failure = as_api_error(error);
    toast.error(failure.problem.title, { description: failure.problem.detail, duration: 10_000 });
    return false;
  }
}

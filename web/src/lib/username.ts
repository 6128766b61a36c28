/** What is wrong with a username, in words; empty when nothing is. The server decides. */
export function username_problem(username: string): string {
  const name = username.normalize("NFC").trim();
  if (name === "") return "Choose a username. It is what the device or program will send.";
  if ([...name].length > 128) return "At most 128 characters.";
  if (name.includes(":")) return "A colon cannot be part of a username: Basic authentication ends the name with it.";
  if (/[\p{Cc}]/u.test(name)) return "Control characters (tabs, line ends) cannot be part of a username.";
  return "";
}

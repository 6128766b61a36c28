export type Theme = "system" | "light" | "dark";

class ThemeChoice {
  now = $state<Theme>((document.documentElement.dataset["theme"] as Theme | undefined) ?? "system");

  set(theme: Theme) {
    this.now = theme;
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    try {
      if (theme === "system") localStorage.removeItem("latchkey.theme");
      else localStorage.setItem("latchkey.theme", theme);
    } catch {
      // Storage may be switched off; the choice then lasts until the page is closed.
    }
  }
}
export const theme = new ThemeChoice();

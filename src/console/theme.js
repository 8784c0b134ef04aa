// The theme that was chosen here, set before anything is painted: a classic script in the head, so that no page flashes white
// at night. Without a choice the system's scheme decides (app.css).

{
  let chosen = null;
  try {
    chosen = localStorage.getItem('fermat-theme');
  } catch {
    // no storage: the system's scheme
  }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
}

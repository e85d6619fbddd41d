// Use the colour scheme that the user chose in the admin. The theme stores it as JSON; "auto" is that of the system.
const chosen = JSON.parse(localStorage.getItem("adminTheme") || '"auto"');
const dark = chosen === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
document.documentElement.classList.toggle("dark-mode", dark);

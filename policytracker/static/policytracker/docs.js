// Show the API documentation in the colour scheme that the user chose in the admin. The theme stores it as JSON.
const scheme = JSON.parse(localStorage.getItem("adminTheme") || '"auto"');
const dark = scheme === "dark" || (scheme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
document.documentElement.classList.toggle("dark-mode", dark);

// Use the colour scheme that the user chose in the admin. The theme stores it as JSON. Then the accent of the site.
const root = document.documentElement;
const scheme = JSON.parse(localStorage.getItem("adminTheme") || '"auto"');
if (scheme !== "auto") root.classList.add(scheme);
for (const shade of root.dataset.accent.split(" ")) root.style.setProperty(...shade.split("="));

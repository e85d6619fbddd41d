// Use the colour scheme that the user chose in the admin. The theme stores it as JSON.
const scheme = JSON.parse(localStorage.getItem("adminTheme") || '"auto"');
if (scheme !== "auto") document.documentElement.classList.add(scheme);

"""The settings of a site behind no proxy, with passwords that are quick to hash."""

import os

os.environ.setdefault("SECRET_KEY", "for tests")
os.environ.setdefault("SECURE_SSL_REDIRECT", "0")

from policytracker.settings import *  # noqa: F403
from policytracker.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests"]  # for its command `flush`
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_AUTOREFRESH = True

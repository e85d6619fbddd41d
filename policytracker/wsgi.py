import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "policytracker.settings")
os.environ.setdefault("STATEMENT_TIMEOUT", "30s")
os.environ.setdefault("LOCK_TIMEOUT", "5s")
os.environ.setdefault("LOCK_TIMEOUT_TOTAL", "8s")
application = get_wsgi_application()

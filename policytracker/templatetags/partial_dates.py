"""The template filter `date_in_words`."""

from django import template

from policytracker import edtf

register = template.Library()
register.filter(edtf.date_in_words)

"""The template filters `date_in_words` and `date_in_sentence`."""

from django import template

from policytracker import edtf

register = template.Library()
register.filter(edtf.date_in_words)
register.filter(edtf.date_in_sentence)

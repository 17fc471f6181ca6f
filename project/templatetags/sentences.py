"""What a template does with a sentence that is kept in English."""

from django import template

from project.translating import translated

register = template.Library()
register.filter("translated", translated)

"""`{% icon "name" %}`: our own simple line drawings, put into the page as SVG so that nothing has to be fetched.

A drawing stands on a field of 20 by 20 and says nothing to a screen reader: the word beside it, or the label of its
button, does.
"""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

ICONS = {
    "add": '<path d="M10 4v12M4 10h12"/>',
    "again": '<path d="M15.5 7A6 6 0 1 0 16 11M16 3.5V7h-3.5"/>',
    "ask": '<path d="M10 16V4M5 9l5-5 5 5"/>',
    "attach": '<path d="m16.5 9-6.8 6.8a3.7 3.7 0 0 1-5.2-5.2l7-7A2.5 2.5 0 0 1 15 7l-7 7a1 1 0 0 1-1.7-1.7l6-6"/>',
    "bad": '<path d="M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM7.5 7.5l5 5M12.5 7.5l-5 5"/>',
    "caution": '<path d="M10 3 18 16.5H2zM10 8v4M10 14.3h.01"/>',
    "close": '<path d="m5 5 10 10M15 5 5 15"/>',
    "console": '<path d="M3 14a7 7 0 1 1 14 0M10 14l3.5-4.5"/>',
    "conversation": '<path d="M3 4.5h14v9.5H9.5L6 17v-3H3z"/>',
    "copy": '<path d="M7 7h9v10H7zM4 13V3h9"/>',
    "delete": '<path d="M4 6h12M8 6V3.5h4V6M5.5 6l.8 11h7.4l.8-11M8.5 9v5M11.5 9v5"/>',
    "document": '<path d="M5 2.5h7l3.5 3.5v11.5H5zM12 2.5V6h3.5"/>',
    "done": '<path d="m4.5 10.5 3.5 3.5 7.5-8"/>',
    "down": '<path d="m5 8 5 5 5-5"/>',
    "download": '<path d="M10 3.5v9M6.5 9.5 10 13l3.5-3.5M4 12v4.5h12V12"/>',
    "fit": '<path d="M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4"/>',
    "good": '<path d="M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM6.8 10.3l2.2 2.2 4.2-4.7"/>',
    "help": '<path d="M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM8 8a2 2 0 1 1 2.8 1.9c-.6.3-.8.7-.8 1.3M10 13.8h.01"/>',
    "key": '<path d="M6.5 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM10 10h7.5M14 10v3M17 10v2"/>',
    "language": '<path d="M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM3 10h14M10 3q-5.4 7 0 14M10 3q5.4 7 0 14"/>',
    "larger": '<path d="M10 4v12M4 10h12"/>',
    "library": '<path d="M4 3.5v13M8 3.5v13M4 6.5h4M12 4.5l3.5 12M11 4.8l3-.8 3.3 12.2-3 .8z"/>',
    "list": '<path d="M3 6h14M3 10h14M3 14h14"/>',
    "more": '<path d="M5 10h.01M10 10h.01M15 10h.01" stroke-width="2.6"/>',
    "next": '<path d="m8 5 5 5-5 5"/>',
    "none": '<path d="M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM5.2 14.8l9.6-9.6"/>',
    "open": '<path d="M8 4H4v12h12v-4M11.5 3.5h5v5M16 4l-7 7"/>',
    "pin": '<path d="M7 3h6M8 3v4.5L5.5 11h9L12 7.5V3M10 11v6"/>',
    "previous": '<path d="m12 5-5 5 5 5"/>',
    "rename": '<path d="M4 16l.8-3.3L13.5 4 16 6.5l-8.7 8.7zM11.5 6 14 8.5"/>',
    "search": '<path d="M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12Zm4.5-1.5L17 17"/>',
    "share": '<path d="M10 12.5V3M6.5 6 10 2.8 13.5 6M4 10v6.5h12V10"/>',
    "sign-out": '<path d="M11 4H4v12h7M8.5 10h8.5M14 6.5l3.5 3.5-3.5 3.5"/>',
    "smaller": '<path d="M4 10h12"/>',
    "stop": '<path d="M6 6h8v8H6z"/>',
    "swap": '<path d="M4 7h11M12 4l3 3-3 3M16 13H5M8 10l-3 3 3 3"/>',
    "theme": '<path d="M16 11.5A6.5 6.5 0 1 1 8.5 4a5.2 5.2 0 0 0 7.5 7.5Z"/>',
    "thumb-down": '<path d="M7 11V3H4v8zm0 0 3.2 6c1.4 0 2-.9 1.8-2l-.5-3.5H16L14.7 4.5C14.6 3.6 13.9 3 13 3H7"/>',
    "thumb-up": '<path d="M7 9v8H4V9zm0 0 3.2-6c1.4 0 2 .9 1.8 2l-.5 3.5H16l-1.3 7c-.1.9-.8 1.5-1.7 1.5H7"/>',
    "upload": '<path d="M3 12v4.5h14V12M10 3v9M6.5 8.5 10 12l3.5-3.5"/>',
    "usage": '<path d="M3 16.5h14M5 13v-3M9 13V5M13 13V8M17 13v-2"/>',
    "waiting": '<path d="M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM10 6v4l2.5 2"/>',
}
# They point along the line of reading and turn round with it.
ALONG_THE_LINE = {"next", "open", "previous", "sign-out"}


@register.simple_tag
def icon(name: str, *, small: bool = False) -> SafeString:
    """The drawing of that name; an unknown name is a fault of the template and raises KeyError.

    >>> icon("smaller", small=True)
    '<svg class="icon icon--small" viewBox="0 0 20 20" aria-hidden="true"><path d="M4 10h12"/></svg>'
    """
    classes = "icon" + " icon--small" * small + " icon--along" * (name in ALONG_THE_LINE)
    drawing = mark_safe(ICONS[name])  # noqa: S308 - our own constants
    return format_html('<svg class="{}" viewBox="0 0 20 20" aria-hidden="true">{}</svg>', classes, drawing)

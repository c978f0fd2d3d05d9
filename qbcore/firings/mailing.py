"""Mail: how a job ended, or the text of a callback with the job's fields in it."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email

from qbcore.errors import Invalid
from qbcore.firings.occasion import Later, Occasion

MOST_RECIPIENTS = 20
_field = re.compile(r"%\((\w{1,40})\)s")
STATUS = """Job %(id)s %(name)s is %(status)s.

  user        %(user)s
  show        %(prod_show)s
  event       %(event)s
  frame       %(frame)s
  reason      %(reason)s
"""


def send_mail(occasion: Occasion) -> str:
    """Sends it; raises Later when the mail server does not take it now."""
    if not settings.FARM_MAIL:
        raise Invalid("this farm sends no mail", hint="Its administrator sets FARM_MAIL_URL.")
    facts = occasion.facts()
    recipients = _recipients(occasion, facts)
    text = (occasion.callback.code if occasion.callback else "") or STATUS
    subject = str(occasion.given.get("subject") or "[%(id)s] %(name)s: %(status)s")
    delivery = str(occasion.firing.delivery)
    mail = EmailMessage(
        subject=" ".join(filled(subject, facts).split())[:200],
        body=filled(text, facts),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=recipients,
        headers={"X-QB-Delivery": delivery, "Message-ID": f"<{delivery}@{settings.FARM_NAME}>"},
    )
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as wrong:
        raise Invalid(f"the mail server refuses {', '.join(recipients)}") from wrong
    except (smtplib.SMTPException, OSError) as wrong:
        raise Later(f"the mail server did not take it: {wrong}") from wrong
    return f"sent to {', '.join(recipients)}"


def _recipients(occasion: Occasion, facts: Mapping[str, Any]) -> list[str]:
    """Those that the callback names, else the job's, else its user's own address."""
    given = occasion.given.get("mailto") or facts.get("mailaddress") or _address_of(occasion, facts)
    parts = given if isinstance(given, (list, tuple)) else str(given).replace(";", ",").split(",")
    found = list(dict.fromkeys(filter(None, (str(part).strip() for part in parts))))
    if not found:
        raise Invalid("there is no address to write to", hint="Give 'mailto', or the job's mailaddress.")
    if len(found) > MOST_RECIPIENTS:
        raise Invalid(f"{len(found)} addresses are too many: give at most {MOST_RECIPIENTS}")
    for address in found:
        try:
            validate_email(address)
        except ValidationError as wrong:
            raise Invalid(f"{address[:100]!r} is no address for mail") from wrong
    return found


def _address_of(occasion: Occasion, facts: Mapping[str, Any]) -> str:
    name = facts.get("user") or (occasion.callback.user if occasion.callback else "")
    return get_user_model().objects.filter(username=name).values_list("email", flat=True).first() or ""


def filled(text: str, facts: Mapping[str, Any]) -> str:
    """The text with each %(name)s that is known in its place; nothing else of it is read as a format."""
    return _field.sub(lambda found: str(facts[found[1]]) if found[1] in facts else "", text)

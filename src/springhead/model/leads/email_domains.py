"""The company domains of email addresses. People of one domain are colleagues, except at public mail providers."""

from springhead.model.leads.leads import email_key

_PUBLIC = """
126.com 163.com aol.com bigpond.com bol.com.br btinternet.com comcast.net cox.net duck.com earthlink.net
fastmail.com foxmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com
hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it icloud.com inbox.ru laposte.net
libero.it list.ru live.co.uk live.com live.nl mac.com mail.com mail.ru mailbox.org me.com msn.com naver.com
optonline.net orange.fr outlook.com outlook.de outlook.es outlook.fr posteo.de proton.me protonmail.com qq.com
rediffmail.com rocketmail.com sbcglobal.net seznam.cz sfr.fr sina.com sky.com t-online.de terra.com.br tutanota.com
uol.com.br verizon.net virgilio.it wanadoo.fr web.de wp.pl yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com
yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.de yahoo.es yahoo.fr yahoo.in yahoo.it yandex.com
yandex.ru ymail.com zoho.com
"""
PUBLIC = frozenset(_PUBLIC.split())
"""The domains of well-known public mail providers. An address there does not tell its owner's company."""


def company_domain(address: str) -> str | None:
    """Returns the domain that an address shares with its owner's colleagues, or None at a public mail provider.

    Returns None also if the address has no domain.
    """
    _, separator, domain = email_key(address).rpartition("@")
    return domain if separator and domain and domain not in PUBLIC else None

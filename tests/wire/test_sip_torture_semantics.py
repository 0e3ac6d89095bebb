"""RFC 4475 sections 3.2 to 3.4: well-formed messages with unusual meanings.

Most are for the transaction user to refuse (415, 420, 483, ...): here they parse and show what it decides on.
"""

from __future__ import annotations

import pytest

from clutch.wire.sip.auth import Credentials
from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.message import Request, parse_message, validate

SDP = """v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
"""

BADBRANCH = """OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK
Accept: application/sdp
Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n
CSeq: 8 OPTIONS
l: 0

"""

INSUF = f"""INVITE sip:user@example.com SIP/2.0
CSeq: 193942 INVITE
Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf
Content-Type: application/sdp
l: 150

{SDP}"""

UNKSCM = """OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: unkscm.nasdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0

"""

NOVELSC = UNKSCM.replace("nobodyKnowsThisScheme:totallyopaquecontent", "soap.beep://192.0.2.103:3002")

UNKSM2 = """REGISTER sip:example.com SIP/2.0
To: isbn:2983792873
From: <http://www.example.com>;tag=3234233
Call-ID: unksm2.daksdj@hyphenated-host.example.com
CSeq: 234902 REGISTER
Max-Forwards: 70
Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw
Contact: <name:John_Smith>
l: 0

"""

BEXT01 = """OPTIONS sip:user@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.net;tag=242etr
Max-Forwards: 6
Call-ID: bext01.0ha0isndaksdj
Require: nothingSupportsThis, nothingSupportsThisEither
Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis
CSeq: 8 OPTIONS
Via: SIP/2.0/TLS fold-and-staple.example.com;branch=z9hG4bKkdjuw
Content-Length: 0

"""

INVUT = """INVITE sip:user@example.com SIP/2.0
Contact: <sip:caller@host5.example.net>
To: sip:j.user@example.com
From: sip:caller@example.net;tag=8392034
Max-Forwards: 70
Call-ID: invut.0ha0isndaksdjadsfij34n23d
CSeq: 235448 INVITE
Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw
Content-Type: application/unknownformat
Content-Length: 38

<audio>
 <pcmu port="443"/>
</audio>
"""

REGAUT01 = """REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=87321hj23128
Max-Forwards: 8
Call-ID: regaut01.0ha0isndaksdj
CSeq: 9338 REGISTER
Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bKkdjuw
Authorization: NoOneKnowsThisScheme opaque-data=here
Content-Length:0

"""

MULTI01 = f"""INVITE sip:user@company.com SIP/2.0
Contact: <sip:caller@host25.example.net>
Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw
Max-Forwards: 70
CSeq: 5 INVITE
Call-ID: multi01.98asdh@192.0.2.1
CSeq: 59 INVITE
Call-ID: multi01.98asdh@192.0.2.2
From: sip:caller@example.com;tag=3413415
To: sip:user@example.com
To: sip:other@example.net
From: sip:caller@example.net;tag=2923420123
Content-Type: application/sdp
l: 150
Contact: <sip:caller@host36.example.net>
Max-Forwards: 5

{SDP}"""

MCL01 = """OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423
To: sip:user@example.com
From: sip:other@example.net;tag=3923942
Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf
CSeq: 15932 OPTIONS
Content-Length: 13
Max-Forwards: 60
Content-Length: 5
Content-Type: text/plain

There's no way to know how many octets are supposed to be here.
"""

BCAST = f"""SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 150
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>

{SDP}"""

ZEROMF = """OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=3ghsd41
Call-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas
CSeq: 39234321 OPTIONS
Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw2349i
Max-Forwards: 0
Content-Length: 0

"""

CPARAM01 = """REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe
To: sip:watson@example.com
Call-ID: cparam01.70710@saturn.example.com
CSeq: 2 REGISTER
Contact: sip:+19725552222@gw1.example.net;unknownparam
l: 0

"""

CPARAM02 = CPARAM01.replace(
    "sip:+19725552222@gw1.example.net;unknownparam", "<sip:+19725552222@gw1.example.net;unknownparam>"
)

REGESCRT = """REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=8
Max-Forwards: 70
Call-ID: regescrt.k345asrl3fdbv@192.0.2.1
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>
L:0

"""

SDP01 = f"""INVITE sip:user@example.com SIP/2.0
To: sip:j_user@example.com
Contact: <sip:caller@host15.example.net>
From: sip:caller@example.net;tag=234
Max-Forwards: 5
Call-ID: sdp01.ndaksdj9342dasdd
Accept: text/nobodyKnowsThis
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw
Content-Length: 150
Content-Type: application/sdp

{SDP}"""

INV2543 = """INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp

v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.5
s=-
c=IN IP4 192.0.2.5
t=0 0
m=audio 49217 RTP/AVP 0
"""


def wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def request(text: str) -> Request:
    message = parse_message(wire(text))
    validate(message)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize(
    ("text", "status"),
    [(INSUF, 400), (UNKSCM, 416), (NOVELSC, 416), (MULTI01, 400), (MCL01, 400)],
    ids=["insuf", "unkscm", "novelsc", "multi01", "mcl01"],
)
def test_refused(text: str, status: int) -> None:
    with pytest.raises(SipParseError) as caught:
        request(text)
    assert caught.value.status == status
    assert caught.value.message is not None


def test_badbranch_is_told_apart_by_the_transaction_layer() -> None:
    assert request(BADBRANCH).via.branch == "z9hG4bK"


def test_unkscm_and_novelsc_are_kept_as_text() -> None:
    unknown, novel = parse_message(wire(UNKSCM)), parse_message(wire(NOVELSC))
    assert isinstance(unknown, Request)
    assert isinstance(novel, Request)
    assert (unknown.uri.scheme, unknown.uri.opaque) == ("nobodyknowsthisscheme", "totallyopaquecontent")
    assert str(novel.uri) == "soap.beep://192.0.2.103:3002"


def test_unksm2_other_schemes_in_fields() -> None:
    message = request(UNKSM2)
    assert str(message.to.uri) == "isbn:2983792873"
    assert str(message.from_.uri) == "http://www.example.com"
    assert [str(contact.uri) for contact in message.contacts] == ["name:John_Smith"]


def test_bext01_names_what_it_requires() -> None:
    required = request(BEXT01).headers.get_all("Require")
    assert required == ["nothingSupportsThis", "nothingSupportsThisEither"]


def test_invut_unknown_body() -> None:
    assert request(INVUT).content_type == "application/unknownformat"


def test_regaut01_unknown_scheme_is_no_digest() -> None:
    with pytest.raises(SipParseError):
        Credentials.parse(request(REGAUT01).headers.get_all("Authorization")[0])


def test_bcast_is_a_response_like_any_other() -> None:
    message = parse_message(wire(BCAST))
    validate(message)
    assert [via.host for via in message.vias] == ["192.0.2.198", "255.255.255.255"]


def test_zeromf_is_for_the_user_to_judge() -> None:
    assert request(ZEROMF).max_forwards == 0


def test_cparam_outside_and_inside_of_the_brackets() -> None:
    outside, inside = request(CPARAM01).contact, request(CPARAM02).contact
    assert outside is not None
    assert inside is not None
    assert outside.has_param("unknownparam")
    assert not outside.uri.has_param("unknownparam")
    assert inside.uri.has_param("unknownparam")
    assert not inside.has_param("unknownparam")


def test_regescrt_contact_with_an_escaped_header() -> None:
    contact = request(REGESCRT).contact
    assert contact is not None
    assert contact.uri.headers == (("Route", "%3Csip:sip.example.com%3E"),)
    assert str(contact.uri) == "sip:user@example.com?Route=%3Csip:sip.example.com%3E"


def test_sdp01_unacceptable_answer_type() -> None:
    assert request(SDP01).headers.get_all("Accept") == ["text/nobodyKnowsThis"]


def test_inv2543_of_an_rfc_2543_peer() -> None:
    message = request(INV2543)
    assert message.via.branch is None
    assert message.from_.tag is None
    assert message.max_forwards is None
    assert message.to.param("user") == "phone"
    assert message.body.startswith(b"v=0")
    assert message.body.endswith(b"RTP/AVP 0\r\n")

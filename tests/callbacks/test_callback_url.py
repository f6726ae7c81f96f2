"""The door: what may be called, told from the URL alone."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.callback_url import CallbackUrlError, TestReceiver, check_callback_url, ports_from_text

PORTS = frozenset({443})
RECEIVER = TestReceiver("receiver.test", ip_address("127.0.0.1"), 8443)

# A URL, a piece of the reason it is refused for, and what an attacker hopes for.
HOSTILE = [
    # Addresses that lead inside.
    ("https://127.0.0.1/", "loopback", "this very machine"),
    ("https://127.8.9.1/", "loopback", "all of 127/8 is this machine"),
    ("https://0.0.0.0/", "unspecified", "Linux connects it to this machine"),
    ("https://10.0.0.5/", "private", "a VPC's address"),
    ("https://172.16.0.1/", "private", "a VPC's address"),
    ("https://192.168.1.1/", "private", "a router"),
    ("https://100.64.0.1/", "private", "carrier-grade NAT, used inside clouds"),
    ("https://100.100.100.200/", "private", "Alibaba's metadata service"),
    ("https://169.254.169.254/latest/meta-data/", "link-local", "EC2's metadata service"),
    ("https://169.254.170.2/v2/credentials", "link-local", "ECS's credentials"),
    ("https://169.254.169.253/", "link-local", "a VPC's DNS resolver"),
    ("https://192.0.0.192/", "special-purpose", "Oracle's metadata service"),
    ("https://198.18.0.1/", "private or special-purpose", "benchmarking networks"),
    ("https://192.0.2.1/", "private or special-purpose", "documentation"),
    ("https://192.88.99.1/", "special-purpose", "6to4's relay anycast"),
    ("https://224.0.0.1/", "multicast", "all hosts of the segment"),
    ("https://255.255.255.255/", "reserved", "broadcast"),
    ("https://240.0.0.1/", "reserved", "class E, used inside networks"),
    # The same in other ways of writing.
    ("https://2130706433/", "no plain IPv4", "127.0.0.1 as one decimal number"),
    ("https://017700000001/", "no plain IPv4", "127.0.0.1 as one octal number"),
    ("https://0x7f000001/", "no plain IPv4", "127.0.0.1 as one hexadecimal number"),
    ("https://0x7f.0.0.1/", "no plain IPv4", "a hexadecimal part"),
    ("https://0177.0.0.1/", "no plain IPv4", "an octal part"),
    ("https://127.1/", "no plain IPv4", "the short form of two parts"),
    ("https://127.0.1/", "no plain IPv4", "the short form of three parts"),
    ("https://169.254.43518/", "no plain IPv4", "the metadata service in three parts"),
    ("https://2852039166/", "no plain IPv4", "the metadata service as one number"),
    ("https://127.0.0.1./", "ends in a dot", "an address with a DNS root behind it"),
    ("https://127.0.0.0x1/", "no plain IPv4", "only the last part hexadecimal"),
    ("https://1.1.1.1.1/", "no plain IPv4", "five parts"),
    ("https://256.256.256.256/", "no plain IPv4", "parts that overflow"),
    # IPv6.
    ("https://[::1]/", "loopback", "this very machine"),
    ("https://[::]/", "unspecified", "Linux connects it to this machine"),
    ("https://[0:0:0:0:0:0:0:1]/", "loopback", "written out"),
    ("https://[fe80::1]/", "link-local", "the segment"),
    ("https://[fe80::1%25eth0]/", "not an IPv6 address", "with a zone"),
    ("https://[::1%lo]/", "not an IPv6 address", "loopback with a zone"),
    ("https://[fd00:ec2::254]/latest/meta-data/", "no global unicast", "EC2's metadata service over IPv6"),
    ("https://[fc00::1]/", "no global unicast", "unique local"),
    ("https://[fec0::1]/", "no global unicast", "site-local"),
    ("https://[ff02::1]/", "multicast", "all nodes of the segment"),
    ("https://[::ffff:127.0.0.1]/", "leads to 127.0.0.1", "IPv4-mapped loopback"),
    ("https://[::ffff:a9fe:a9fe]/", "leads to 169.254.169.254", "IPv4-mapped metadata service, in hexadecimal"),
    ("https://[::127.0.0.1]/", "leads to 127.0.0.1", "IPv4-compatible"),
    ("https://[2002:7f00:1::]/", "leads to 127.0.0.1", "6to4 of loopback"),
    ("https://[2002:a9fe:a9fe::1]/", "leads to 169.254.169.254", "6to4 of the metadata service"),
    ("https://[2001:0:5ef5:79fb::1]/", "special-purpose", "Teredo"),
    ("https://[64:ff9b::7f00:1]/", "leads to 127.0.0.1", "NAT64 of loopback"),
    ("https://[64:ff9b::169.254.169.254]/", "leads to 169.254.169.254", "NAT64 of the metadata service"),
    ("https://[64:ff9b:1::1]/", "no global unicast", "a network's own NAT64"),
    ("https://[2001:db8::1]/", "private or special-purpose", "documentation"),
    ("https://[3fff::1]/", "special-purpose", "documentation, since 2024"),
    ("https://[100::1]/", "no global unicast", "discard"),
    ("https://[::1/", "not an IPv6 address", "a bracket that never closes"),
    ("https://[v1.fe80::a]/", "not an IPv6 address", "RFC 3986's address of the future"),
    ("https://[127.0.0.1]/", "not an IPv6 address", "IPv4 in brackets"),
    # Names of private networks.
    ("https://localhost/", "not a name of the public internet", "this very machine"),
    ("https://LOCALHOST/", "not a name of the public internet", "whatever the case"),
    ("https://a.localhost/", "not a name of the public internet", "resolvers answer loopback for all of it"),
    ("https://localhost.localdomain/", "not a name of the public internet", "from many an /etc/hosts"),
    ("https://metadata.google.internal/", "not a name of the public internet", "Google's metadata service"),
    ("https://ip-10-0-0-5.ec2.internal/", "not a name of the public internet", "a VPC's host"),
    ("https://printer.local/", "not a name of the public internet", "multicast DNS"),
    ("https://nas.home.arpa/", "not a name of the public internet", "a home network"),
    ("https://git.corp/", "not a name of the public internet", "a company's network"),
    ("https://x.onion/", "not a name of the public internet", "Tor"),
    ("https://intranet/", "not a name of the public internet", "a search domain is appended"),
    ("https://metadata/", "has no dot", "a search domain is appended"),
    ("https://receiver.test/", "not a name of the public internet", "the test receiver's, which is not on by default"),
    # Who reads the authority otherwise than we do.
    ("https://user:secret@example.com/", "user name or password", "credentials"),
    ("https://example.com@127.0.0.1/", "user name or password", "the host is behind the @"),
    ("https://127.0.0.1@example.com/", "user name or password", "the host is behind the @"),
    ("https://example.com:443@169.254.169.254/", "user name or password", "it looks like a port"),
    ("https://@127.0.0.1/", "user name or password", "an empty user"),
    ("https://example.com\\@127.0.0.1/", "backslash", "browsers take it for a slash, others do not"),
    ("https:\\\\127.0.0.1\\", "backslash", "browsers take it for slashes"),
    ("https://127.0.0.1\\.example.com/", "backslash", "where does the host end?"),
    ("https://example.com#@127.0.0.1/", "fragment", "parsers differ on what is the authority"),
    ("https://127.0.0.1#.example.com/", "fragment", "a filter on the ending is passed"),
    ("https://example.com/hook#x", "fragment", "no server ever sees it"),
    ("https://127.0.0.1%2f.example.com/", "percent-encoded", "a slash after decoding"),
    ("https://%31%32%37.0.0.1/", "percent-encoded", "127 after decoding"),
    ("https://127%2e0%2e0%2e1/", "percent-encoded", "dots after decoding"),
    ("https://localhos%74/", "percent-encoded", "localhost after decoding"),
    ("https:///127.0.0.1/", "no host", "browsers skip the third slash"),
    ("https://", "no host", "nothing at all"),
    ("https://?x", "no host", "a query alone"),
    ("https://:443/", "no host", "a port alone"),
    ("https://.example.com/", "not a DNS name", "an empty label"),
    ("https://example..com/", "not a DNS name", "an empty label"),
    ("https://example.com./", "ends in a dot", "the same host by another name"),
    ("https://exa mple.com/", "a space", "it ends a request line"),
    ("https://-example.com/", "not a DNS name", "an option to some command"),
    ("https://exa_mple.com/", "not a DNS name", "no host name"),
    ("https://example.com,127.0.0.1/", "not a DNS name", "a list of hosts"),
    ("https://example.com;127.0.0.1/", "not a DNS name", "parameters of an authority"),
    ("https://127.0.0.1&example.com/", "not a DNS name", "a query's separator"),
    ("https://$HOME.example.com/", "not a DNS name", "a variable of a shell"),
    # Bytes that end a line or hide.
    ("https://example.com/\r\nX-Injected: 1", "control", "a header of one's own"),
    ("https://example.com\r\n.internal/", "control", "a line's end within the host"),
    ("https://exam\tple.com/", "control", "browsers drop tabs"),
    ("ht\ntps://example.com/", "control", "browsers drop line breaks"),
    (" https://example.com/", "a space", "browsers trim"),
    ("https://example.com/ HTTP/1.1", "a space", "the rest of a request line"),
    ("https://example.com/\x00.png", "control", "C strings end at it"),
    ("https://example.com/\x7f", "control", "delete"),
    ("https://exam\u200bple.com/", "invisible", "a zero-width space"),
    ("https://example.com/\u202egpj.exe", "invisible", "turns the direction of writing"),
    ("https://exa\u00admple.com/", "invisible", "a soft hyphen, which mapping drops"),
    ("https://example.com\u00a0/", "a space", "a no-break space"),
    ("https://example.com/\ud800", "invisible", "half a surrogate pair, which UTF-8 cannot write"),
    ("https://example.com/caf\u00e9", "outside ASCII", "which bytes are sent?"),
    # Letters that become others.
    ("https://\uff11\uff12\uff17.0.0.1/", "names do not have", "full-width digits"),
    ("https://127\uff0e0\uff0e0\uff0e1/", "names do not have", "full-width dots"),
    ("https://127\u30020\u30020\u30021/", "names do not have", "ideographic full stops"),
    ("https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/", "names do not have", "circled digits"),
    ("https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/", "names do not have", "circled letters"),
    ("https://loca\u2113host/", "names do not have", "a script l, which mapping makes an l"),
    ("https://example\u2488com/", "names do not have", "a digit with a dot in one letter"),
    ("https://evil.c\u2100.example.com/", "names do not have", "a letter that maps to a/c, with a slash"),
    ("https://\u0661\u0662\u0667.0.0.1/", "names do not have", "Arabic-Indic digits"),
    ("https://example.com:\uff14\uff14\uff13/", "not a port", "full-width digits in the port"),
    # Schemes and ports.
    ("http://example.com/", "only https", "in the clear"),
    ("ftp://example.com/", "only https", "another protocol"),
    ("file:///etc/passwd", "only https", "a file"),
    ("gopher://127.0.0.1:6379/_SET", "only https", "bytes of one's own to Redis"),
    ("javascript:alert(1)//", "only https", "a script"),
    ("//example.com/", "only https", "whatever the base's scheme is"),
    ("https:example.com", "only https", "browsers supply the slashes"),
    ("https:/example.com/", "only https", "browsers supply the slash"),
    ("example.com", "only https", "no scheme"),
    ("", "only https", "nothing"),
    ("https://example.com:22/", "port 22", "SSH"),
    ("https://example.com:6379/", "port 6379", "Redis"),
    ("https://8.8.8.8:53/", "port 53", "a port of an address"),
    ("https://example.com:0/", "not a port", "port 0"),
    ("https://example.com:65979/", "not a port", "443 after an overflow of 16 bits"),
    ("https://example.com:/", "not a port", "an empty port"),
    ("https://example.com:+443/", "not a port", "a sign"),
    ("https://example.com:4_43/", "not a port", "what Python's int takes"),
    ("https://example.com:443:80/", "not a port", "two ports"),
    ("https://example.com:443.evil.com/", "not a port", "a host behind a port"),
    ("https://[2606:4700::1111]evil.com/", "not an IPv6 address", "a host behind a bracket"),
    # Sizes.
    (f"https://example.com/{'a' * 2_048}", "2,048 are taken", "a log's line, a table's item"),
    (f"https://{'a' * 64}.com/", "not a DNS name", "a label of 64"),
    (f"https://{'a.' * 130}com/", "not a DNS name", "a name of 263"),
]  # fmt: skip

GOOD = [
    ("https://example.com", ("example.com", 443, "/")),
    ("https://example.com/", ("example.com", 443, "/")),
    ("https://hooks.example.com/forebay/results", ("hooks.example.com", 443, "/forebay/results")),
    ("HTTPS://Hooks.Example.COM/Path", ("hooks.example.com", 443, "/Path")),
    ("https://example.com:443/a?b=c&d[]=e%20f", ("example.com", 443, "/a?b=c&d[]=e%20f")),
    ("https://example.com?token=x", ("example.com", 443, "/?token=x")),
    ("https://example.com/@user/it's;v=1,2", ("example.com", 443, "/@user/it's;v=1,2")),
    ("https://example.com/?next=https://127.0.0.1/", ("example.com", 443, "/?next=https://127.0.0.1/")),
    ("https://b\u00fccher.example/", ("xn--bcher-kva.example", 443, "/")),
    ("https://B\u00dcCHER.example/", ("xn--bcher-kva.example", 443, "/")),
    ("https://\u4f8b\u3048.jp/", ("xn--r8jz45g.jp", 443, "/")),
    ("https://xn--bcher-kva.example/", ("xn--bcher-kva.example", 443, "/")),
    ("https://127.0.0.1.nip.example/", ("127.0.0.1.nip.example", 443, "/")),
    ("https://0x7f000001.example.com/", ("0x7f000001.example.com", 443, "/")),
    ("https://localhost.example.com/", ("localhost.example.com", 443, "/")),
    ("https://8.8.8.8/dns-query", ("8.8.8.8", 443, "/dns-query")),
    ("https://[2606:4700:4700::1111]/", ("2606:4700:4700::1111", 443, "/")),
    ("https://[64:ff9b::8.8.8.8]/", ("64:ff9b::8.8.8.8", 443, "/")),
    (f"https://example.com/{'a' * 2_028}", ("example.com", 443, f"/{'a' * 2_028}")),
]  # fmt: skip


def refusal(url: str, **more: object) -> str:
    with pytest.raises(CallbackUrlError) as caught:
        check_callback_url(url, ports=PORTS, **more)  # type: ignore[arg-type]
    return caught.value.reason


def test_the_tables_are_as_long_as_promised() -> None:
    assert len({url for url, *_ in HOSTILE}) == len(HOSTILE) >= 40
    assert len({url for url, *_ in GOOD}) == len(GOOD) >= 10


@pytest.mark.parametrize(("url", "reason", "hope"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_url_is_refused_at_the_door(url: str, reason: str, hope: str) -> None:
    assert reason in refusal(url), hope


@pytest.mark.parametrize(("url", "parts"), GOOD, ids=range(len(GOOD)))
def test_a_good_url_passes_in_its_parts(url: str, parts: tuple[str, int, str]) -> None:
    checked = check_callback_url(url, ports=PORTS)
    assert (checked.name, checked.port, checked.target) == parts
    assert checked.test_receiver is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/secret?token=x", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]"),
        ("https://[2606:4700:4700::1111]:8443/", "[2606:4700:4700::1111]:8443"),
    ],
)
def test_the_host_header_names_the_port_only_where_it_is_not_the_schemes_own(url: str, host: str) -> None:
    assert check_callback_url(url, ports=frozenset({443, 8443})).host == host


def test_only_a_literal_address_needs_no_resolving() -> None:
    assert check_callback_url("https://8.8.8.8/", ports=PORTS).address == ip_address("8.8.8.8")
    assert check_callback_url("https://example.com/", ports=PORTS).address is None


@pytest.mark.parametrize(
    "url", ["https://receiver.test/hook", "https://RECEIVER.test:9/hook", "https://receiver.test:443/hook"]
)
def test_the_test_receivers_name_leads_to_its_address_whatever_its_port(url: str) -> None:
    checked = check_callback_url(url, ports=PORTS, test_receiver=RECEIVER)
    assert (checked.address, checked.connect_port, checked.target) == (RECEIVER.address, 8443, "/hook")
    assert checked.test_receiver is RECEIVER


@pytest.mark.parametrize(
    "url",
    [
        "https://a.receiver.test/",
        "https://receiver.test./",
        "https://receiver.test.localhost/",
        "https://receiver-test/",
        "https://127.0.0.1:8443/",
        "https://127.0.0.1/",
        "https://localhost:8443/",
        "https://receiver.test@127.0.0.1/",
        "https://receiver%2etest/",
    ],
)
def test_the_test_receiver_opens_its_own_name_and_nothing_else(url: str) -> None:
    refusal(url, test_receiver=RECEIVER)


@pytest.mark.parametrize(
    ("text", "receiver"),
    [
        ("", None),
        ("  ", None),
        ("receiver.test=127.0.0.1:8443", RECEIVER),
        ("Receiver.Test=127.0.0.1:8443", RECEIVER),
        ("r.test=[::1]:1", TestReceiver("r.test", ip_address("::1"), 1)),
    ],
)
def test_a_test_receiver_is_read_from_the_parameters_text(text: str, receiver: TestReceiver | None) -> None:
    assert TestReceiver.from_text(text) == receiver


@pytest.mark.parametrize(
    "text",
    [
        "receiver.test",
        "=127.0.0.1:8443",
        "r.test=127.0.0.1",
        "r.test=localhost:1",
        "r.test=127.0.0.1:0",
        "r t=127.0.0.1:1",
    ],
)
def test_a_test_receiver_in_another_form_is_told_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"receiver\.test=127\.0\.0\.1:8443"):
        TestReceiver.from_text(text)


def test_ports_are_a_comma_list() -> None:
    assert ports_from_text("443") == {443}
    assert ports_from_text("443, 8443") == {443, 8443}
    for wrong in ("", "443,", "x", "0", "65536", "-1"):
        with pytest.raises(ValueError, match="443,8443"):
            ports_from_text(wrong)


def test_a_refusal_never_repeats_path_or_query() -> None:
    assert "hunter2" not in refusal("https://example.com:22/hook?password=hunter2")


@given(st.text(max_size=40) | st.from_regex(r"(?i)https://[^/?#]{0,30}[/?#]?.{0,10}", fullmatch=True))
def test_whatever_is_sent_is_refused_or_taken_apart_into_what_can_be_put_on_the_wire(text: str) -> None:
    try:
        checked = check_callback_url(text, ports=PORTS)
    except CallbackUrlError:
        return
    assert checked.port in PORTS
    assert checked.target.isascii()
    assert checked.target.isprintable()
    assert checked.target.startswith("/")
    assert checked.name == checked.name.lower()
    # Taken apart and put together, it is the same URL: there is nothing that only one of two readers sees.
    assert check_callback_url(f"https://{checked.host}{checked.target}", ports=PORTS) == checked

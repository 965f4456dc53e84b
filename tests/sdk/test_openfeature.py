"""The official OpenFeature SDK with its OFREP provider, unchanged. Looks only at what an application sees."""

import openai
import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason


@pytest.fixture(scope="module")
def flags(serinus):
    headers = {"Authorization": f"Bearer {serinus.token}"}
    api.set_provider(OFREPProvider(base_url=serinus.base, headers_factory=lambda: headers))
    yield api.get_client()
    api.shutdown()


def somebody(key="session-1", **attributes):
    return EvaluationContext(key, attributes)


def test_every_type(flags):
    assert flags.get_boolean_value("dark-mode", False, somebody()) is True
    assert flags.get_string_value("banner", "none", somebody()) == "Welcome"
    assert flags.get_integer_value("limit", 7, somebody()) == 42
    assert flags.get_object_value("theme", {}, somebody()) == {"colour": "blue", "depth": 2}


def test_whole_floats_stay_floats(flags):
    details = flags.get_float_details("ratio", 9.5, somebody())
    assert (details.value, details.error_code) == (2.0, None) and isinstance(details.value, float)


def test_whole_numbers_of_a_float_flag_have_a_point(flags):
    details = flags.get_float_details("rate", 9.5, somebody())
    assert (details.value, details.error_code) == (3.0, None) and isinstance(details.value, float)


def test_metadata_and_reason(flags):
    details = flags.get_boolean_details("dark-mode", False, somebody())
    assert details.reason == Reason.STATIC and details.flag_metadata["flagSetId"] == "production"


def test_disabled_gives_the_default(flags):
    details = flags.get_string_details("gone", "mine", somebody())
    assert (details.value, details.error_code, details.reason) == ("mine", None, Reason.DISABLED)


def test_without_a_context(flags):
    assert flags.get_boolean_value("dark-mode", False) is True
    assert flags.get_boolean_details("beta", True, EvaluationContext()).reason == Reason.DEFAULT


def test_details(flags):
    details = flags.get_boolean_details("dark-mode", False, somebody())
    assert details.variant == "on" and details.error_code is None
    assert details.reason in (Reason.STATIC, Reason.DEFAULT)


def test_targeting(flags):
    gold = flags.get_boolean_details("beta", False, somebody(plan="gold"))
    assert (gold.value, gold.reason) == (True, Reason.TARGETING_MATCH)
    assert flags.get_boolean_value("beta", True, somebody(plan="silver")) is False


def test_split(flags):
    values = [flags.get_string_value("split", "?", somebody(f"user-{n}")) for n in range(100)]
    assert 30 <= values.count("a") <= 70 and values.count("a") + values.count("b") == 100
    assert values == [flags.get_string_value("split", "?", somebody(f"user-{n}")) for n in range(100)]


def test_unknown_flag_gives_the_default(flags):
    details = flags.get_string_details("absent", "mine", somebody())
    assert (details.value, details.error_code) == ("mine", ErrorCode.FLAG_NOT_FOUND)


def test_wrong_type_gives_the_default(flags):
    details = flags.get_boolean_details("banner", True, somebody())
    assert (details.value, details.error_code) == (True, ErrorCode.TYPE_MISMATCH)


def test_missing_targeting_key(flags):
    details = flags.get_string_details("split", "mine", EvaluationContext())
    assert (details.value, details.error_code) == ("mine", ErrorCode.TARGETING_KEY_MISSING)


def test_feature_is_an_object(flags):
    details = flags.get_object_details("support", {}, somebody())
    assert details.error_code is None, details
    assert details.value["model"] == "steady"
    assert details.value["system_prompt"] == "You help people."
    assert details.value["sampling"] == {"temperature": 0.2}
    assert details.value["refs"]["model"] == "model/steady@1"


def test_sticky_and_shared_with_the_gateway(serinus, flags):
    client = openai.OpenAI(base_url=f"{serinus.base}/v1", api_key=serinus.token, max_retries=0)
    hello = [{"role": "user", "content": "Hello?"}]
    variants = set()
    for n in range(24):
        session = f"shared-{n}"
        first = flags.get_object_details("pinned", {}, somebody(session))
        again = flags.get_object_details("pinned", {}, somebody(session, plan="gold"))
        assert first.error_code is None and again.variant == first.variant, session
        raw = client.chat.completions.with_raw_response.create(
            model="pinned", messages=hello, extra_headers={"X-Serinus-Session": session}
        )
        assert raw.headers["x-serinus-variant"] == first.variant, session
        assert raw.parse().choices[0].message.content == f"{first.value['model']} speaking"
        variants.add(first.variant)
    assert variants == {"control", "candidate"}

"""The official OpenAI SDK, unchanged but for its base URL, against the gateway. Looks only at what an application sees."""

import time

import openai
import pytest

import upstream

HELLO = [{"role": "user", "content": "Hello?"}]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.fixture(scope="module")
def client(serinus):
    return openai.OpenAI(base_url=f"{serinus.base}/v1", api_key=serinus.token, max_retries=0)


def test_whole_answer(serinus, client):
    answer = client.chat.completions.create(model="support", messages=HELLO, extra_headers={"X-Serinus-Session": "s1"})
    assert answer.choices[0].message.content == "steady speaking"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 11
    sent = serinus.provider.seen[-1]
    assert sent["model"] == "steady" and sent["temperature"] == 0.2
    assert sent["messages"] == [{"role": "system", "content": "You help people."}, *HELLO]
    assert "serinus" not in sent


def test_headers_tell_the_decision(client):
    raw = client.chat.completions.with_raw_response.create(
        model="support", messages=HELLO, extra_body={"serinus": {"session": "s2", "attributes": {"plan": "gold"}}}
    )
    assert raw.parse().choices[0].message.content == "steady speaking"
    for name in ["interaction", "variant", "bundle", "revision", "reason", "served-digest"]:
        assert raw.headers.get(f"x-serinus-{name}"), name
    assert raw.headers["x-serinus-variant"] == "control"
    assert "x-serinus-warning" not in raw.headers


def test_without_session_it_is_said(client):
    raw = client.chat.completions.with_raw_response.create(model="support", messages=HELLO)
    assert raw.headers["x-serinus-warning"] == "no-session"


def test_stream_arrives_as_it_is_made(client):
    stream = client.chat.completions.create(model="support", messages=HELLO, stream=True, user="u1")
    words, times = [], []
    for chunk in stream:
        assert chunk.usage is None, "usage was not asked for"
        if chunk.choices[0].delta.content:
            words.append(chunk.choices[0].delta.content)
            times.append(time.monotonic())
    assert "".join(words) == "one two three"
    gaps = [late - early for early, late in zip(times, times[1:])]
    assert all(gap > upstream.PAUSE_S / 2 for gap in gaps), f"held back: {gaps}"


def test_stream_with_usage(client):
    stream = client.chat.completions.create(
        model="support", messages=HELLO, stream=True, stream_options={"include_usage": True}, user="u1"
    )
    chunks = list(stream)
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 4
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_tools_are_passed_on(serinus, client):
    answer = client.chat.completions.create(model="support", messages=HELLO, tools=[TOOL], tool_choice="auto", user="u1")
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Bonn"}')
    assert answer.choices[0].finish_reason == "tool_calls"
    assert serinus.provider.seen[-1]["tools"] == [TOOL] and serinus.provider.seen[-1]["tool_choice"] == "auto"


def test_structured_output(serinus, client):
    from pydantic import BaseModel

    class City(BaseModel):
        city: str
        people: int

    answer = client.chat.completions.parse(model="support", messages=HELLO, response_format=City, user="u1")
    assert answer.choices[0].message.parsed == City(city="Bonn", people=330000)
    assert serinus.provider.seen[-1]["response_format"]["type"] == "json_schema"


def test_error_classes(serinus, client):
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="suport", messages=HELLO)
    assert unknown.value.code == "feature_not_found" and "support" in unknown.value.message
    with pytest.raises(openai.BadRequestError) as missing:
        client.chat.completions.create(model="personal", messages=HELLO)
    assert missing.value.code == "prompt.missing_variable" and missing.value.type == "invalid_request_error"
    with pytest.raises(openai.RateLimitError) as upstreams:
        client.chat.completions.create(model="failing", messages=HELLO)
    assert upstreams.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{serinus.base}/v1", api_key="srn_no_body", max_retries=0).models.list()


def test_variables(serinus, client):
    variables = {"serinus": {"variables": {"name": "Ana"}}}
    client.chat.completions.create(model="personal", messages=HELLO, user="u1", extra_body=variables)
    assert serinus.provider.seen[-1]["messages"][0]["content"] == "Help Ana."


def test_models(serinus, client):
    features = {feature["key"] for feature in serinus.control.call("GET", "/features")["features"]}
    assert {"failing", "personal", "pinned", "support"} <= features
    assert {model.id for model in client.models.list()} == features
    assert client.models.retrieve("support").owned_by == "serinus"


def test_async_client(serinus):
    import asyncio

    async def several():
        async with openai.AsyncOpenAI(base_url=f"{serinus.base}/v1", api_key=serinus.token, max_retries=0) as client:
            turns = [client.chat.completions.create(model="support", messages=HELLO, user=f"u{n}") for n in range(20)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*turns)]

    assert asyncio.run(several()) == ["steady speaking"] * 20

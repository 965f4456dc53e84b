"""The official Langfuse client, unchanged, on the prompt endpoints. Looks only at what an application sees."""

import pytest
from langfuse import Langfuse
from langfuse.api import NotFoundError


@pytest.fixture(scope="module")
def prompts(serinus):
    client = Langfuse(
        base_url=serinus.base, public_key="serinus", secret_key=serinus.token, tracing_enabled=False,
    )
    yield client
    client.shutdown()


def greeting(control, text):
    content = {"text": text, "syntax": "mustache", "variables": {"name": {"type": "string"}}}
    return control.artifact("system_prompt", "greeting", content)


def serve(control, reference):
    control.call("PUT", "/features/greeting", {
        "control": {"model": "model/steady@1", "system_prompt": reference},
    })


def test_the_client_is_let_in(prompts):
    assert prompts.auth_check()


def test_fetch_and_compile(serinus, prompts):
    serve(serinus.control, greeting(serinus.control, "Hello {{name}}."))
    for name in ("greeting", "system_prompt/greeting"):
        prompt = prompts.get_prompt(name, cache_ttl_seconds=0)
        assert (prompt.version, prompt.compile(name="Ana")) == (1, "Hello Ana.")
        assert "production" in prompt.labels
    assert prompts.get_prompt("system_prompt/greeting", version=1).prompt == "Hello {{name}}."


def test_labels_move_at_once(serinus, prompts):
    first = greeting(serinus.control, "Hello {{name}}.")
    serve(serinus.control, first)
    second = greeting(serinus.control, "Good day, {{name}}.")
    latest = prompts.get_prompt("system_prompt/greeting", label="latest", cache_ttl_seconds=0)
    assert latest.compile(name="Ana") == "Good day, Ana."
    assert prompts.get_prompt("greeting", cache_ttl_seconds=0).compile(name="Ana") == "Hello Ana."
    serve(serinus.control, second)
    assert prompts.get_prompt("greeting", cache_ttl_seconds=0).compile(name="Ana") == "Good day, Ana."
    serve(serinus.control, first)
    assert prompts.get_prompt("greeting", cache_ttl_seconds=0).compile(name="Ana") == "Hello Ana."


def test_an_unknown_prompt_is_not_found(prompts):
    with pytest.raises(NotFoundError):
        prompts.get_prompt("system_prompt/absent", cache_ttl_seconds=0, max_retries=0)
    fallback = prompts.get_prompt("system_prompt/absent", cache_ttl_seconds=0, max_retries=0, fallback="Hi {{name}}")
    assert fallback.compile(name="Ana") == "Hi Ana" and fallback.is_fallback

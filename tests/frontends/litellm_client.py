"""Does with LiteLLM what an application does, and prints what came back as one JSON object.

Run by test_litellm.py in LiteLLM's own environment: python litellm_client.py BASE_URL
"""

from __future__ import annotations

import json
import sys
from typing import Any

import litellm

BASE = {"api_base": sys.argv[1], "api_key": "any", "num_retries": 0, "timeout": 30}
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Any rooms left?"}]
GREEDY: dict[str, Any] = {"model": "openai/local", "messages": MESSAGES, "temperature": 0, "max_tokens": 12, **BASE}
PARAMETERS = {"type": "object", "properties": {"at": {"enum": ["sky", "sea"]}}, "required": ["at"]}
LOOK = {"type": "function", "function": {"name": "look", "parameters": PARAMETERS}}
SCHEMA = {"type": "object", "properties": {"mood": {"enum": ["calm", "cross"]}}, "required": ["mood"]}


def failure(**asked: Any) -> str:
    """The name of the error that this ends with."""
    try:
        litellm.completion(**{**GREEDY, **asked})
    except Exception as error:  # whatever it is, its name is what is looked at
        return type(error).__name__
    return ""


def main() -> None:
    """Ask for everything once."""
    whole = litellm.completion(**GREEDY)
    text = whole.choices[0].message.content
    chunks = list(litellm.completion(**GREEDY, stream=True, stream_options={"include_usage": True}))
    stopped = litellm.completion(**GREEDY, stop=[text[4:7]])
    begun = [*MESSAGES, {"role": "assistant", "content": text[:6]}]
    called = litellm.completion(**{**GREEDY, "max_tokens": 60}, tools=[LOOK], tool_choice="required")
    form = {"type": "json_schema", "json_schema": {"name": "state", "schema": SCHEMA, "strict": True}}
    bound = litellm.completion(**{**GREEDY, "max_tokens": 60}, response_format=form)
    aborted = litellm.completion(**{**GREEDY, "max_tokens": 3_000, "temperature": 1}, stream=True)
    next(iter(aborted))
    aborted.completion_stream.close()
    call = called.choices[0].message.tool_calls[0]
    seen = {
        "text": text,
        "reason": whole.choices[0].finish_reason,
        "usage": whole.usage.completion_tokens,
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "stopped": stopped.choices[0].message.content,
        "stop": text[4:7],
        "prefilled": litellm.completion(**{**GREEDY, "messages": begun}).choices[0].message.content,
        "begun": text[:6],
        "called": [call.function.name, json.loads(call.function.arguments)],
        "bound": json.loads(bound.choices[0].message.content),
        "no_model": failure(model="openai/none"),
        "too_long": failure(messages=[{"role": "user", "content": "word " * 5_000}]),
        "completion": litellm.text_completion(
            model="text-completion-openai/local", prompt="Once upon", max_tokens=5, **BASE
        )
        .choices[0]
        .text,
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()

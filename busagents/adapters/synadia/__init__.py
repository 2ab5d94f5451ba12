"""The Synadia Agent Protocol 0.3 (https://github.com/synadia-ai/synadia-agent-sdk-docs): our participants as its agents, and its agents as ours.

`subjects` and `wire` are pure; `facade` answers prompts, `foreign` sends them.
"""

"""Serve the tools over standard input and output, to a program on this machine that starts this command."""

import asyncio
import logging
import os
import sys

from django.core.management.base import BaseCommand, CommandError
from mcp.server.mcpserver.exceptions import ToolError

from chat.mcp import server_for
from project.accounts import named_user
from project.models import ApiKey


class Command(BaseCommand):
    help = "Serve search, pages and answers to a program that speaks the Model Context Protocol, over stdin and stdout."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--user", help="As whom. Left out: whose key LECTERN_API_KEY holds.")

    def handle(self, *args, **options) -> None:
        for handler in logging.getLogger().handlers:  # What is not the protocol's has no place in its stream.
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(sys.stderr)
        asyncio.run(server_for(self._whose(options["user"])).run_stdio_async())

    def _whose(self, name: str | None):
        """The caller, looked at anew with each call: a key that is revoked meanwhile opens nothing."""
        if name is not None:
            user = named_user(name)
            return lambda: ApiKey(user=user, scope=ApiKey.Scope.READ)
        secret = os.environ.get("LECTERN_API_KEY", "")
        if ApiKey.find(secret) is None:
            raise CommandError("Say as whom: --user NAME, or a key in the environment variable LECTERN_API_KEY.")

        def whose() -> ApiKey:
            key = ApiKey.find(secret)
            if key is None:
                raise ToolError("The key is expired or revoked.")
            return key

        return whose

"""How Stash takes a GraphQL request: what it refuses, what it answers, and how errors look."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    validate,
)
from graphql import build_schema as build_contract

from tests.servers.http_base import Response
from tests.servers.stash_http import Json, Request, errors_response, json_response
from tests.servers.stash_plugin_host import Context
from tests.servers.stash_resolvers import EXPECTED_ERRORS, Asked, World, make_schema

CONTRACT = Path(__file__).resolve().parents[3] / "shared" / "contracts" / "stash-schema.graphql"

# By their text, and the same for every server, as the schema is.
_documents: dict[str, DocumentNode | list[GraphQLError]] = {}
_introspections: dict[str, bytes] = {}
_contract: GraphQLSchema | None = None
_contract_lock = threading.Lock()


def validate_against_contract(query: str) -> list[str] | None:
    """What Stash's whole schema finds wrong with a query; None where that schema is not at hand."""
    global _contract
    if not CONTRACT.is_file():
        return None
    with _contract_lock:
        if _contract is None:
            _contract = build_contract(CONTRACT.read_text("utf-8"))
    try:
        return [error.message for error in validate(_contract, parse(query))]
    except GraphQLError as error:
        return [error.message]


class GraphQL:
    """Answers GraphQL requests about a world."""

    def __init__(self, world: World, complain: Callable[[str], None]) -> None:
        self._world = world
        self._complain = complain
        self._schema = make_schema()

    def answer(self, request: Request, context: Context, base: str) -> Response:
        """Carry out a request; `base` is the address that URLs of pictures are built on."""
        is_json = "application/json" in request.headers.get("content-type", "")
        if request.method not in ("GET", "POST") or (request.method == "POST" and not is_json):
            return errors_response(400, [{"message": "transport not supported"}])
        sent = request.sent
        if sent is None:
            return errors_response(400, [{"message": "json request body could not be decoded"}])
        query = sent.get("query") or ""
        if query in _introspections:
            return Response(200, _introspections[query], "application/json")
        document = self._document(query)
        if isinstance(document, list):
            code = "GRAPHQL_VALIDATION_FAILED" if document[0].nodes else "GRAPHQL_PARSE_FAILED"
            return errors_response(422, [{**_formatted(error), "extensions": {"code": code}} for error in document])
        operation = _operation(document, sent.get("operationName"))
        if operation is None:
            return errors_response(422, [{"message": f"operation {sent.get('operationName') or ''} not found"}])
        mutating = operation.operation is not OperationType.QUERY
        if mutating and request.method == "GET":
            return errors_response(406, [{"message": "GET requests only allow query operations"}])
        result = self._execute(document, sent, Asked(self._world, context, base), mutating=mutating)
        if result.errors and any(error.path is None for error in result.errors):
            refused = {"code": "GRAPHQL_VALIDATION_FAILED"}
            return errors_response(422, [{**_formatted(error), "extensions": refused} for error in result.errors])
        told = {"errors": [self._told(error) for error in result.errors]} if result.errors else {}
        response = json_response({**told, "data": result.data})
        if "__schema" in query and not sent.get("variables") and not result.errors:
            _introspections[query] = response.body
        return response

    def _document(self, query: str) -> DocumentNode | list[GraphQLError]:
        found = _documents.get(query)
        if found is None:
            try:
                document = parse(query)
                found = validate(self._schema, document) or document
            except GraphQLError as error:
                found = [error]
            _documents[query] = found
        return found

    def _execute(self, document: DocumentNode, sent: Json, asked: Asked, *, mutating: bool) -> Any:
        # A query sees the store at one moment; a mutation must not hold the lock while its hooks run.
        with contextlib.nullcontext() if mutating else self._world.store.lock:
            return execute_sync(
                self._schema,
                document,
                context_value=asked,
                variable_values=sent.get("variables") or {},
                operation_name=sent.get("operationName") or None,
            )

    def _told(self, error: GraphQLError) -> Json:
        cause = error.original_error
        message = error.message
        if cause is not None and not isinstance(cause, (*EXPECTED_ERRORS, GraphQLError)):
            self._complain("".join(traceback.format_exception(cause)))
            message = f"Internal system error. Error <{message}>"
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.path or ()).lstrip(".")
        self._complain(f"{path}: {message}")
        return {"message": message, "path": error.path}


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name:
        found = [node for node in found if node.name is not None and node.name.value == name]
    return found[0] if len(found) == 1 else None


def _formatted(error: GraphQLError) -> Json:
    made: Json = {"message": error.message}
    if error.locations:
        made["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    return made

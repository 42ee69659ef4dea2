"""Stands in for the Terraform provider: tells its schema, and plans what is written without asking anyone.

Terraform itself then checks every argument, type and reference, and evaluates every expression. What only
Azure knows (an id, a principal) is unknown in a plan, as it is with the real provider; or, for looking at what
depends on it, named after where it comes from. Nothing can be applied.
"""

import json
import tempfile
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from os import getpid
from pathlib import Path
from typing import Any

import grpc
import msgpack
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

NAME = "registry.terraform.io/hashicorp/azurerm"
UNKNOWN = msgpack.ExtType(0, b"\x00")
FAKE_ID = "00000000-0000-0000-0000-000000000000"


class Provider(rpc.ProviderServicer):
    """Answers Terraform's questions about resources of one schema."""

    def __init__(self, schema: dict[str, Any], *, naming: bool) -> None:
        """Translate the schema once: Terraform asks for it at every command.

        `naming` gives texts that only Azure knows a name, TYPE/NAME/ATTRIBUTE, in place of leaving them unknown.
        """
        self._schema = schema
        self._naming = naming
        self._answer = pb.GetProviderSchema.Response(
            provider=pb.Schema(block=_block(schema["provider"])),
            resource_schemas={
                name: pb.Schema(block=_block(one)) for name, one in schema["resources"].items()
            },
            data_source_schemas={
                name: pb.Schema(block=_block(one)) for name, one in schema["data_sources"].items()
            },
            server_capabilities=pb.ServerCapabilities(get_provider_schema_optional=True),
        )

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        """Return the schema."""
        return self._answer

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        """Accept: Terraform has checked it against the schema."""
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        """Accept: Terraform has checked it against the schema."""
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        """Accept: Terraform has checked it against the schema."""
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        """Need nothing: nobody is asked."""
        return pb.ConfigureProvider.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        """Agree; there is nothing to stop."""
        return pb.StopProvider.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        """Refuse: plans begin with an empty state."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "plans begin with an empty state")

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        """Return what was asked for, and what nobody told as text of zeros."""
        asked = msgpack.unpackb(request.config.msgpack, ext_hook=msgpack.ExtType)
        block = self._schema["data_sources"][request.type_name]
        for name, attribute in block["attributes"].items():
            if asked.get(name) is None and attribute["type"] == "string":
                asked[name] = FAKE_ID
        return pb.ReadDataSource.Response(state=pb.DynamicValue(msgpack=msgpack.packb(asked)))

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        """Return what is proposed; what is not written is unknown until Azure says it."""
        proposed = msgpack.unpackb(request.proposed_new_state.msgpack, ext_hook=msgpack.ExtType)
        if proposed is not None:
            origin = f"{request.type_name}/{proposed.get('name')}" if self._naming else None
            _unknown(self._schema["resources"][request.type_name], proposed, origin, outermost=True)
        planned = pb.DynamicValue(msgpack=msgpack.packb(proposed))
        return pb.PlanResourceChange.Response(planned_state=planned)


def _block(block: dict[str, Any], *, outermost: bool = True) -> Any:
    return pb.Schema.Block(
        attributes=[
            pb.Schema.Attribute(
                name=name,
                type=json.dumps(one["type"]).encode(),
                required=one.get("required", False),
                optional=not one.get("required", False) and not one.get("computed", False),
                # which optional arguments Azure fills in is not known: all may be
                computed=one.get("computed", False) or (outermost and not one.get("required", False)),
            )
            for name, one in block["attributes"].items()
        ],
        block_types=[_nested(name, one) for name, one in block["blocks"].items()],
    )


def _nested(name: str, nested: dict[str, Any]) -> Any:
    if name == "timeouts":
        return pb.Schema.NestedBlock(
            type_name=name,
            block=_block(nested["block"], outermost=False),
            nesting=pb.Schema.NestedBlock.SINGLE,
        )
    return pb.Schema.NestedBlock(
        type_name=name,
        block=_block(nested["block"], outermost=False),
        nesting=pb.Schema.NestedBlock.LIST,
        min_items=1 if nested["required"] else 0,
        max_items=1 if nested["single"] else 0,
    )


def _unknown(block: dict[str, Any], state: dict[str, Any], origin: str | None, *, outermost: bool) -> None:
    """Put what Azure will say in place of what is not written; under its name where `origin` is told."""
    for name, attribute in block["attributes"].items():
        computed = attribute.get("computed", False) or name == "id"
        if state.get(name) is not None or not (
            computed or (outermost and not attribute.get("required", False))
        ):
            continue
        named = origin is not None and computed and attribute["type"] == "string"
        state[name] = f"{origin}/{name}" if named else UNKNOWN
    for name, nested in block["blocks"].items():
        inner = state.get(name)
        for one in inner if isinstance(inner, list) else ():
            _unknown(nested["block"], one, origin and f"{origin}/{name}", outermost=False)


class _Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):
    def Shutdown(self, request: Any, context: Any) -> Any:
        """Stay: the next command of Terraform asks again."""
        return grpc_controller_pb2.Empty()


@contextmanager
def serving(schema: dict[str, Any], *, naming: bool = False) -> Iterator[dict[str, str]]:
    """Serve the schema on a Unix socket; yield the environment that sends Terraform there."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    rpc.add_ProviderServicer_to_server(Provider(schema, naming=naming), server)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(_Controller(), server)
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "provider"
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        reattach = {
            NAME: {
                "Protocol": "grpc",
                "ProtocolVersion": 6,
                "Pid": getpid(),
                "Test": True,
                "Addr": {"Network": "unix", "String": str(socket)},
            }
        }
        try:
            yield {"TF_REATTACH_PROVIDERS": json.dumps(reattach)}
        finally:
            server.stop(grace=None)

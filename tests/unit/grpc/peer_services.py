# SPDX-License-Identifier: MIT
"""Health and reflection, asked by Debian's gRPC and protobuf for Python.
peer_services.py 0 FILE writes the descriptors for the server; peer_services.py PORT FILE asks."""
import sys
import threading

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
except ImportError:
    print("python3-grpcio or python3-protobuf is not installed")
    sys.exit(77)

F = descriptor_pb2.FieldDescriptorProto


def file_of(name, package, messages):
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    for message, fields in messages:
        made = file.message_type.add(name=message)
        for number, field, kind, repeated in fields:
            at = made.field.add(name=field, number=number,
                                label=F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL)
            if isinstance(kind, str):
                at.type, at.type_name = F.TYPE_MESSAGE, "." + package + "." + kind
            else:
                at.type = kind
    return file


def served():
    one = file_of("one.proto", "p.q", [("Outer", [(1, "a", F.TYPE_STRING, False)])])
    inner = one.message_type[0].nested_type.add(name="Inner")
    inner.enum_type.add(name="Kind").value.add(name="NONE", number=0)
    one.enum_type.add(name="Color").value.add(name="RED", number=0)
    one.service.add(name="Service").method.add(name="Do", input_type=".p.q.Outer",
                                               output_type=".p.q.Outer")
    one.dependency.append("google/protobuf/timestamp.proto")
    two = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(two)
    return descriptor_pb2.FileDescriptorSet(file=[one, two])


if sys.argv[1] == "0":
    with open(sys.argv[2], "wb") as out:
        out.write(served().SerializeToString())
    sys.exit(0)

pool = descriptor_pool.DescriptorPool()
pool.Add(file_of("health", "h", [("Request", [(1, "service", F.TYPE_STRING, False)]),
                                 ("Response", [(1, "status", F.TYPE_INT32, False)])]))
pool.Add(file_of("reflection", "r", [
    ("Request", [(1, "host", F.TYPE_STRING, False), (3, "file", F.TYPE_STRING, False),
                 (4, "symbol", F.TYPE_STRING, False), (6, "extensions", F.TYPE_STRING, False),
                 (7, "list", F.TYPE_STRING, False)]),
    ("Files", [(1, "file", F.TYPE_BYTES, True)]),
    ("Service", [(1, "name", F.TYPE_STRING, False)]),
    ("Services", [(1, "service", "Service", True)]),
    ("Error", [(1, "code", F.TYPE_INT32, False), (2, "text", F.TYPE_STRING, False)]),
    ("Response", [(1, "host", F.TYPE_STRING, False), (2, "request", "Request", False),
                  (4, "files", "Files", False), (6, "services", "Services", False),
                  (7, "error", "Error", False)])]))
made = message_factory.MessageFactory(pool)


def message(name):
    return made.GetPrototype(pool.FindMessageTypeByName(name))


channel = grpc.insecure_channel("127.0.0.1:" + sys.argv[1])


def health():
    check = channel.unary_unary("/grpc.health.v1.Health/Check",
                                request_serializer=message("h.Request").SerializeToString,
                                response_deserializer=message("h.Response").FromString)
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch",
                                 request_serializer=message("h.Request").SerializeToString,
                                 response_deserializer=message("h.Response").FromString)
    request = message("h.Request")
    assert check(request(), timeout=5).status == 1
    assert check(request(service="rig.Rig"), timeout=5).status == 1
    try:
        check(request(service="no.Such"), timeout=5)
        raise AssertionError("it knows no.Such")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    unknown = watch(request(service="no.Such"))
    assert next(unknown).status == 3
    known = watch(request(service="rig.Rig"))
    assert next(known).status == 1
    toggled = []
    threading.Timer(5, known.cancel).start()
    # The rig is told by a unary call to say that it does not serve, and then that it does.
    channel.unary_unary("/rig.Rig/Toggle")(b"", timeout=5)
    toggled.append(next(known).status)
    channel.unary_unary("/rig.Rig/Toggle")(b"", timeout=5)
    toggled.append(next(known).status)
    assert toggled == [2, 1], toggled
    known.cancel()
    unknown.cancel()


def reflection(version):
    request = message("r.Request")
    asks = [request(list="*"), request(file="one.proto"), request(symbol="p.q.Service"),
            request(symbol="p.q.Service.Do"), request(symbol="p.q.Outer.Inner.Kind"),
            request(symbol="p.q.Color"), request(file="google/protobuf/timestamp.proto"),
            request(symbol="p.q.Nothing", host="here"), request(extensions="p.q.Outer")]
    info = channel.stream_stream(
        "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo",
        request_serializer=request.SerializeToString,
        response_deserializer=message("r.Response").FromString)
    answers = list(info(iter(asks), timeout=5))
    assert [a.request for a in answers] == asks
    names = sorted(s.name for s in answers[0].services.service)
    assert names == ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                     "grpc.reflection.v1alpha.ServerReflection", "rig.Rig"], names
    for answer in answers[1:6]:
        assert list(answer.files.file) == [served().file[0].SerializeToString()]
    assert list(answers[6].files.file) == [served().file[1].SerializeToString()]
    assert answers[7].error.code == 5 and answers[7].host == "here"
    assert answers[8].error.code == 5


health()
reflection("v1")
reflection("v1alpha")

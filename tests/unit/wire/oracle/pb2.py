# SPDX-License-Identifier: MIT
#
# The helper of test_wire_pypi.sh: pb2.py DESCRIPTOR_SET
#
# Every message, field and enum value that the Python SDK's descriptors have is in our .proto file
# with the same number, type and label; what ours has beside is numbered from 100 on, reserved there, or
# a message of ours alone. Says what differs; exit code 1.
import sys

from google.protobuf import descriptor_pb2
from durabletask.internal import orchestrator_service_pb2 as theirs

ours = descriptor_pb2.FileDescriptorSet()
with open(sys.argv[1], "rb") as file:
    ours.ParseFromString(file.read())
messages, enums, methods = {}, {}, {}


def collect(prefix, message):
    messages[prefix + message.name] = message
    for nested in message.nested_type:
        collect(prefix + message.name + ".", nested)


for file in ours.file:
    if not file.package:
        for message in file.message_type:
            collect("", message)
        for enum in file.enum_type:
            enums[enum.name] = {value.name: value.number for value in enum.value}
        for service in file.service:
            for method in service.method:
                methods[method.name] = method

wrong = 0
count = 0


def complain(text):
    global wrong
    wrong += 1
    print(text)


def shape(field):
    name = field.type_name.lstrip(".")
    return (field.number, field.type, name, field.label)


def compare(prefix, message):
    global count
    name = prefix + message.name
    mine = messages.get(name)
    if mine is None:
        complain(f"{name}: we have no such message")
        return
    fields = {field.name: field for field in mine.field}
    for field in message.field:
        count += 1
        own = fields.pop(field.name, None)
        if own is None:
            complain(f"{name}.{field.name}: we have no such field: {shape(field)}")
        elif shape(own) != shape(field):
            complain(f"{name}.{field.name}: {shape(own)} is {shape(field)} there")
    reserved = {n for span in message.reserved_range for n in range(span.start, span.end)}
    for field in fields.values():
        if field.number < 100 and field.number not in reserved:
            complain(f"{name}.{field.name} = {field.number}: only we have it")
    for nested in message.nested_type:
        compare(name + ".", nested)


file = descriptor_pb2.FileDescriptorProto()
theirs.DESCRIPTOR.CopyToProto(file)
for message in file.message_type:
    compare("", message)
for enum in file.enum_type:
    for value in enum.value:
        count += 1
        if enums.get(enum.name, {}).get(value.name) != value.number:
            complain(f"{enum.name}.{value.name} = {value.number}: not ours")
for service in file.service:
    for method in service.method:
        count += 1
        own = methods.get(method.name)
        if own is None:
            complain(f"{method.name}: we have no such call")
        elif (own.input_type, own.output_type, own.client_streaming, own.server_streaming) != (
            method.input_type, method.output_type, method.client_streaming,
            method.server_streaming):
            complain(f"{method.name}: differs")
print(f"{count} fields, values and calls compared")
sys.exit(1 if wrong or count == 0 else 0)

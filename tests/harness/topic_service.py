"""A topic service and a queue service on loopback.

serve                      makes a topic and a FIFO topic, to each of which a queue subscribes; says where all of it is on the first line of
                           standard output, then answers until it is killed
receive ENDPOINT QUEUE     waits for a message in a queue and prints it on one line
"""

import json
import logging
import signal
import sys

import boto3

ACCOUNT = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}


def serve():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    sns, sqs = (boto3.client(name, endpoint_url=endpoint, **ACCOUNT) for name in ("sns", "sqs"))
    said = {"endpoint": endpoint}
    for topic, queue, suffix, attributes in (("topic", "queue", "", {}), ("fifo", "fifo_queue", ".fifo", {"FifoTopic": "true"})):
        said[topic] = sns.create_topic(Name="alerts" + suffix, Attributes=attributes)["TopicArn"]
        of_queue = {"FifoQueue": "true"} if suffix else {}
        said[queue] = sqs.create_queue(QueueName="alerts" + suffix, Attributes=of_queue)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=said[queue], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=said[topic], Protocol="sqs", Endpoint=arn)
    print(json.dumps(said), flush=True)
    signal.pause()


def receive(endpoint, queue):
    sqs = boto3.client("sqs", endpoint_url=endpoint, **ACCOUNT)
    while not (messages := sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")):
        pass
    print(json.dumps(json.loads(messages[0]["Body"])), flush=True)


if __name__ == "__main__":
    {"serve": serve, "receive": receive}[sys.argv[1]](*sys.argv[2:])

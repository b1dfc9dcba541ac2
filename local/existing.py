"""Looks up, at each service itself, resources of which it is enough to know that they exist under their id.

A row says which call finds it, with which arguments, and where in the answer it must stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from local.ministack import MiniStack

Arguments = Callable[[str, Callable[[str], str]], dict[str, Any]]
"""From the physical id, and from the name of a property that refers to another resource to that one's id."""


def _ids(name: str) -> Arguments:
    return lambda physical, _: {name: [physical]}


def _one(name: str) -> Arguments:
    return lambda physical, _: {name: physical}


def _of(argument: str, prop: str) -> Arguments:
    return lambda _, id_of: {argument: id_of(prop)}


EXISTING: Final[Mapping[str, tuple[str, str, Arguments, str]]] = {
    "AWS::CloudFront::CachePolicy": ("cloudfront", "get_cache_policy", _one("Id"), "CachePolicy"),
    "AWS::CloudFront::Distribution": ("cloudfront", "get_distribution", _one("Id"), "Distribution"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", "get_dashboard", _one("DashboardName"), "DashboardBody"),
    "AWS::EC2::InternetGateway": ("ec2", "describe_internet_gateways", _ids("InternetGatewayIds"), "InternetGateways"),
    "AWS::EC2::RouteTable": ("ec2", "describe_route_tables", _ids("RouteTableIds"), "RouteTables"),
    "AWS::EC2::SecurityGroup": ("ec2", "describe_security_groups", _ids("GroupIds"), "SecurityGroups"),
    "AWS::EC2::Subnet": ("ec2", "describe_subnets", _ids("SubnetIds"), "Subnets"),
    "AWS::EC2::VPC": ("ec2", "describe_vpcs", _ids("VpcIds"), "Vpcs"),
    "AWS::EC2::VPCEndpoint": ("ec2", "describe_vpc_endpoints", _ids("VpcEndpointIds"), "VpcEndpoints"),
    "AWS::ECR::Repository": ("ecr", "describe_repositories", _ids("repositoryNames"), "repositories"),
    "AWS::ECS::Cluster": ("ecs", "describe_clusters", _ids("clusters"), "clusters"),
    "AWS::ECS::TaskDefinition": ("ecs", "describe_task_definition", _one("taskDefinition"), "taskDefinition"),
    "AWS::Route53::HostedZone": ("route53", "get_hosted_zone", _one("Id"), "HostedZone"),
    "AWS::S3::Bucket": ("s3", "get_bucket_versioning", _one("Bucket"), "Status"),
    "AWS::S3::BucketPolicy": ("s3", "get_bucket_policy", _of("Bucket", "Bucket"), "Policy"),
    "AWS::SNS::Subscription": ("sns", "get_subscription_attributes", _one("SubscriptionArn"), "Attributes"),
    "AWS::SNS::Topic": ("sns", "get_topic_attributes", _one("TopicArn"), "Attributes"),
}


LISTED: Final[Mapping[str, str]] = {
    "AWS::ApiGatewayV2::ApiMapping": "it answers for no name but its own",
    "AWS::ApiGatewayV2::DomainName": "nothing resolves the name here",
    "AWS::EC2::Route": "it has no id of its own; no packet takes it",
    "AWS::EC2::SubnetRouteTableAssociation": "no packet asks for it",
    "AWS::EC2::VPCGatewayAttachment": "it has no id of its own; no packet takes it",
    "AWS::ECS::Service": "the workers are processes of this machine",
    "AWS::Logs::MetricFilter": "nobody writes into the log group here",
    "AWS::Route53::RecordSet": "nothing resolves the name here",
    "AWS::SNS::TopicPolicy": "rights are not checked here",
    "AWS::WAFv2::WebACL": "no request passes it here",
}
"""Kinds that the stack lists and nothing here uses: that they have an id is all that is asked, and why."""


def missing(ministack: MiniStack, kind: str, physical: str, id_of: Callable[[str], str]) -> Iterator[str]:
    """A line if it does not exist. Raises ClientError as the service does."""
    service, operation, arguments, member = EXISTING[kind]
    answer = getattr(ministack.client(service), operation)(**arguments(physical, id_of))
    if not answer.get(member):
        yield f"{operation} does not find it"

"""What ``az vmss create`` sends for its default network, resource by resource, and the paths that it goes to."""

from __future__ import annotations

from tests.api.fake_world import GROUP, KEY, Json

NET = f"{GROUP}/providers/Microsoft.Network"
VNET, PIP, LB, NSG = (
    f"{NET}/virtualNetworks/ss1VNET",
    f"{NET}/publicIPAddresses/ss1LBPublicIP",
    f"{NET}/loadBalancers/ss1LB",
    f"{NET}/networkSecurityGroups/ss1NSG",
)
NAT_RULE = f"{LB}/inboundNatRules/NatRule"
SUBNET = f"{VNET}/subnets/ss1Subnet"
FRONTEND, POOL = f"{LB}/frontendIPConfigurations/loadBalancerFrontEnd", f"{LB}/backendAddressPools/ss1LBBEPool"
SS1 = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/ss1"


def vnet_body(*subnets: tuple[str, str], space: str = "10.0.0.0/16") -> Json:
    wanted = subnets or (("ss1Subnet", "10.0.0.0/24"),)
    listed = [{"name": name, "properties": {"addressPrefix": prefix}} for name, prefix in wanted]
    properties = {"addressSpace": {"addressPrefixes": [space]}, "subnets": listed}
    return {"name": "ss1VNET", "location": "local", "tags": {}, "properties": properties}


def pip_body() -> Json:
    return {"location": "local", "properties": {"publicIPAllocationMethod": "Static"}, "sku": {"name": "Standard"}}


def lb_body() -> Json:
    rule = {
        "frontendIPConfiguration": {"id": FRONTEND},
        "backendAddressPool": {"id": POOL},
        "protocol": "tcp",
        "frontendPort": 80,
        "backendPort": 80,
        "enableFloatingIP": False,
        "idleTimeoutInMinutes": 5,
    }
    properties = {
        "backendAddressPools": [{"name": "ss1LBBEPool"}],
        "frontendIPConfigurations": [
            {"name": "loadBalancerFrontEnd", "properties": {"publicIPAddress": {"id": PIP}}}
        ],
        "loadBalancingRules": [{"name": "LBRule", "properties": rule}],
    }
    return {"location": "local", "tags": {}, "properties": properties, "sku": {"name": "Standard"}}


def nsg_body() -> Json:
    rule = {
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationPortRange": "22",
        "sourceAddressPrefix": "*",
        "destinationAddressPrefix": "*",
        "access": "Allow",
        "priority": 1000,
        "direction": "Inbound",
    }
    return {
        "location": "local",
        "properties": {"securityRules": [{"name": "default-allow-ssh", "properties": rule}]},
    }


def nat_rule_body() -> Json:
    properties = {
        "frontendIPConfiguration": {"id": FRONTEND},
        "backendAddressPool": {"id": POOL},
        "backendPort": 22,
        "frontendPortRangeStart": "50000",
        "frontendPortRangeEnd": "50119",
        "protocol": "tcp",
        "idleTimeoutInMinutes": 5,
    }
    return {"name": "ss1LB/NatRule", "location": "local", "properties": properties}


def set_body(capacity: int = 2) -> Json:
    key = {"path": "/home/azureuser/.ssh/authorized_keys", "keyData": f"{KEY}\n"}
    ip = {
        "name": "ss1e5bd92IPConfig",
        "properties": {"subnet": {"id": SUBNET}, "loadBalancerBackendAddressPools": [{"id": POOL}]},
    }
    card = {
        "name": "ss1e5bd92Nic",
        "properties": {"primary": "true", "networkSecurityGroup": {"id": NSG}, "ipConfigurations": [ip]},
    }
    profile = {
        "storageProfile": {
            "osDisk": {
                "createOption": "FromImage",
                "caching": "ReadWrite",
                "managedDisk": {"storageAccountType": None},
            },
            "imageReference": {"publisher": "Local", "offer": "debian", "sku": "12", "version": "latest"},
        },
        "osProfile": {
            "computerNamePrefix": "ss1e5bd92",
            "adminUsername": "azureuser",
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
        },
        "networkProfile": {"networkInterfaceConfigurations": [card]},
    }
    return {
        "location": "local",
        "tags": {},
        "sku": {"name": "Standard_B1s", "capacity": capacity},
        "properties": {
            "overprovision": True,
            "upgradePolicy": {"mode": "Manual"},
            "singlePlacementGroup": None,
            "orchestrationMode": "Uniform",
            "virtualMachineProfile": profile,
        },
    }


NETWORK = [(VNET, vnet_body()), (PIP, pip_body()), (LB, lb_body()), (NSG, nsg_body()), (NAT_RULE, nat_rule_body())]

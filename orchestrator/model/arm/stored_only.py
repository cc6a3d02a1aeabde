"""What is kept and shown and has no effect, each with its reason. docs/azure-differences.md tells the same, and
a test holds it to this table. A property is here only if nobody could be harmed by believing in it."""

from __future__ import annotations

from collections.abc import Mapping

_PROFILE = "properties.virtualMachineProfile"
_RETRY = "properties.resiliencyPolicy"
_CARD = f"{_PROFILE}.networkProfile.networkInterfaceConfigurations[]"
_IP = f"{_CARD}.properties.ipConfigurations[].properties"
_PUBLIC = f"{_IP}.publicIPAddressConfiguration"
_EXTENSION = f"{_PROFILE}.extensionProfile.extensions[].properties"

_NO_MARKET = "There is no marketplace. While a plan is there, the image can change its version only"
_TRIED_AGAIN = "What failed is always tried again"
_NO_NOTICE = "No notice is given, so none can be short or long"
_COMES_WITH = "Extensions are part of the daemon and come with it"
_POOL_DECIDES = "The host's storage pool decides; Azure's kinds of disk do not exist here"
_ONE_SORT = "All public addresses of instances are of one sort"
_A_NAME = "A name for its reader; nothing else goes by it"

STORED_ONLY: Mapping[str, str] = {
    "sku.tier": "There are no tiers; `Standard` is filled in",
    "plan.name": _NO_MARKET,
    "plan.publisher": _NO_MARKET,
    "plan.product": _NO_MARKET,
    "plan.promotionCode": _NO_MARKET,
    f"{_RETRY}.resilientVMCreationPolicy.enabled": _TRIED_AGAIN,
    f"{_RETRY}.resilientVMDeletionPolicy.enabled": _TRIED_AGAIN,
    f"{_RETRY}.operationRecoverySettings.restartRecoveryPolicy.enabled": _TRIED_AGAIN,
    f"{_RETRY}.operationRecoverySettings.startRecoveryPolicy.enabled": _TRIED_AGAIN,
    f"{_RETRY}.operationRecoverySettings.reimageRecoveryPolicy.enabled": _TRIED_AGAIN,
    "properties.spotRestorePolicy.restoreTimeout": "Nothing is evicted, so nothing is restored",
    "properties.zonalPlatformFaultDomainAlignMode": "A disk is always on the host of its instance: all are aligned",
    f"{_PROFILE}.osProfile.linuxConfiguration.enableVMAgentPlatformUpdates": "Guests have no agent of Azure's",
    f"{_PROFILE}.storageProfile.osDisk.caching": _POOL_DECIDES,
    f"{_PROFILE}.storageProfile.osDisk.managedDisk.storageAccountType": _POOL_DECIDES,
    f"{_PROFILE}.storageProfile.osDisk.osType": "There are only Linux guests",
    f"{_PROFILE}.storageProfile.diskControllerType": "Guests have virtio disks whatever is wished",
    f"{_PROFILE}.networkProfile.networkApiVersion": "There is one way in which cards are made",
    f"{_CARD}.name": _A_NAME,
    f"{_CARD}.tags": "Cards are no resources of their own, so nobody could ask for their tags",
    f"{_CARD}.properties.ipConfigurations[].name": _A_NAME,
    f"{_PUBLIC}.name": _A_NAME,
    f"{_PUBLIC}.tags": _ONE_SORT,
    f"{_PUBLIC}.sku.name": _ONE_SORT,
    f"{_PUBLIC}.sku.tier": _ONE_SORT,
    f"{_PUBLIC}.properties.idleTimeoutInMinutes": _ONE_SORT,
    f"{_PROFILE}.diagnosticsProfile.bootDiagnostics.enabled": (
        "The serial log of every guest is always kept (`vmss console`)"
    ),
    f"{_PROFILE}.scheduledEventsProfile.terminateNotificationProfile.notBeforeTimeout": _NO_NOTICE,
    f"{_PROFILE}.scheduledEventsProfile.osImageNotificationProfile.notBeforeTimeout": _NO_NOTICE,
    f"{_PROFILE}.licenseType": "Nothing is billed",
    f"{_EXTENSION}.autoUpgradeMinorVersion": _COMES_WITH,
    f"{_EXTENSION}.enableAutomaticUpgrade": _COMES_WITH,
}

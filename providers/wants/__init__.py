"""What a step of each kind asks for: its `with` block, checked before anything runs.

The models are the one description of a kind's inputs: the validator, the JSON
Schema for editors and the providers all read them.
"""

from providers.wants.base import EstatePath as EstatePath
from providers.wants.base import HostName as HostName
from providers.wants.base import Name as Name
from providers.wants.base import Network as Network
from providers.wants.base import Port as Port
from providers.wants.base import Seconds as Seconds
from providers.wants.base import SecretRef as SecretRef
from providers.wants.base import Wish as Wish
from providers.wants.base import Words as Words
from providers.wants.base import Zone as Zone
from providers.wants.base import seconds as seconds
from providers.wants.compute import FirewallRule as FirewallRule
from providers.wants.compute import Providers as Providers
from providers.wants.compute import Resources as Resources
from providers.wants.compute import Server as Server
from providers.wants.compute import Snapshot as Snapshot
from providers.wants.compute import Volume as Volume
from providers.wants.dns import LONGEST_TTL as LONGEST_TTL
from providers.wants.dns import MOST_ZONES as MOST_ZONES
from providers.wants.dns import InZones as InZones
from providers.wants.dns import Record as Record
from providers.wants.dns import RecordName as RecordName
from providers.wants.dns import RecordOwner as RecordOwner
from providers.wants.dns import Records as Records
from providers.wants.dns import RecordType as RecordType
from providers.wants.dns import Ttl as Ttl
from providers.wants.people import Approval as Approval
from providers.wants.people import Message as Message
from providers.wants.people import Nested as Nested
from providers.wants.people import Task as Task
from providers.wants.people import Wait as Wait
from providers.wants.play import Play as Play
from providers.wants.probes import DnsProbe as DnsProbe
from providers.wants.probes import HttpProbe as HttpProbe
from providers.wants.probes import SmtpProbe as SmtpProbe
from providers.wants.probes import SshProbe as SshProbe
from providers.wants.probes import TcpProbe as TcpProbe
from providers.wants.probes import TlsProbe as TlsProbe
from providers.wants.services import AptProbe as AptProbe
from providers.wants.services import CompletionProbe as CompletionProbe
from providers.wants.services import OidcProbe as OidcProbe
from providers.wants.services import ServiceUrl as ServiceUrl
from providers.wants.social import FieldText as FieldText
from providers.wants.social import MastodonProbe as MastodonProbe
from providers.wants.social import NodeInfoProbe as NodeInfoProbe
from providers.wants.social import PageUrl as PageUrl
from providers.wants.social import Post as Post
from providers.wants.social import Profile as Profile
from providers.wants.social import ProfileField as ProfileField
from providers.wants.social import RelMeProbe as RelMeProbe
from providers.wants.storage import Copy as Copy
from providers.wants.storage import Place as Place
from providers.wants.storage import Sample as Sample
from providers.wants.storage import Verify as Verify

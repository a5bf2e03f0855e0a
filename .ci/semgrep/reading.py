import marshal
import pickle
import shutil
import tarfile
from xml.dom import minidom
from xml.etree import ElementTree

import yaml


def read(text):
    # ruleid: yaml-makes-objects
    yaml.full_load(text)
    # ruleid: yaml-makes-objects
    yaml.load(text, Loader=yaml.SafeLoader)
    # ok: yaml-makes-objects
    yaml.safe_load(text)
    # ruleid: pickled
    pickle.loads(text)
    # ruleid: pickled
    marshal.load(text)
    # ruleid: data-as-code
    eval(text)
    # ruleid: data-as-code
    exec(text)
    # ruleid: xml-expands
    ElementTree.fromstring(text)
    # ruleid: xml-expands
    minidom.parseString(text)
    # ok: xml-expands
    ElementTree.Element("list")
    # ok: xml-expands
    ElementTree.tostring(text)


def unpacked(path):
    with tarfile.open(path) as archive:
        # ruleid: archive-chooses-paths
        archive.extractall("/somewhere")
        # ok: archive-chooses-paths
        archive.extractfile("name")
    # ruleid: archive-chooses-paths
    shutil.unpack_archive(path)

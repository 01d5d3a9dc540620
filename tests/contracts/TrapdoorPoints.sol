// SPDX-License-Identifier: Apache-2.0
// Written by trapdoor.py.
pragma solidity 0.8.37;

/// @title Secrets of a key for tests, and their points in the second group.
library TrapdoorPoints {
    uint256 internal constant ALPHA = 21866513851700910067084630557690732044741883983615508382181056230917338883496;
    uint256 internal constant BETA = 19613957357201976136416282741214595685048327162446534038262174559063430111710;
    uint256 internal constant GAMMA = 13012610862350170522805384536634482533935973112007419622955864547945205813043;
    uint256 internal constant DELTA = 6413466564474295082293691335760178831757178321753883532873146521128396339327;
    uint256 internal constant SIGMA1 = 1917554933602686081207465121208312922025819551147374142770298580788939493303;
    uint256 internal constant SIGMA2 = 5022910140368101826110456283021955765789001497963002049743506188343840158985;
    uint256 internal constant B = 13962384408264905012955129195381685747970358787179870490968898562302625008985;

    function beta2() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x10faac3a28736a753a30c8bf8845bd7ecd62a13c9a019a1d299082fb8250e4b4),
            uint256(0x036c743c9cf2b0a79048ce015d16755f14aeb04aa879bf15e4ba4954ec479f10),
            uint256(0x0b28668337c24f33e05da2eaf5d42d411d894a798371942bef4a0f8a4c4cf582),
            uint256(0x29ed461f7b135063988abb5ca33f40e8563e396ba8f636abd78afb8eeb0e14c1)
        ];
    }

    function gamma2() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x00f47dbc6286aae674c5c1d31cdfcdfcea85fb3bb47e71582cf7deff54531011),
            uint256(0x075a104beed80b018163ba68eb7b76a384b9deb2a95b0d7dcbb7f25934861c1b),
            uint256(0x24fb6c3a09307695d3e375d7f7644a01d97def60c47f13cd7fc7beaa4440c5a3),
            uint256(0x293405e84d93bfb26219b97e01f6d21a89c03003f7895bedd5b8216eec45d19e)
        ];
    }

    function delta2() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x2b1646ff064f54ef142396759c351c0ec3e4c292231f33bb279b416caf6d409d),
            uint256(0x0910d8966825d3890569d74a0b6eede99151cd14424cf994c9ad0a284643235e),
            uint256(0x00657d08691757c14a6637e086c894db24a405fb768328198e417d3ea0c89cfa),
            uint256(0x2c7e64fe90ecb43180aa50770d0b9fa5f8dc86ea195bb07b911b8400d88ecdf6)
        ];
    }

    function sigma12() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x1b465212dd876ec1f1cbf98d1e3e771775941d1e08bc33aac8b4b075c351f1c5),
            uint256(0x16a4478977e9db308fcfe80a6577bbec15216fba21bbe75d233b058a5868f482),
            uint256(0x229947871337daa58f529d3806c4cee13fdb4cbf351349f687548dcea0fff61e),
            uint256(0x12df4079bab771e3ca87411ce20fb6605ae274591fcab116cbf87d1cfa9e813e)
        ];
    }

    function sigma22() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x10f60c818bfbb369a474efe7e5b2f535ed9fdbf9bba671d1d535230b1ae63b7c),
            uint256(0x2ba333a4888606fa3e9a240766ac60f7f1f81eeae678000b7b78e6faab4584d8),
            uint256(0x27ae63f092358323d5781af715d3af490382c8b83e8f31e4fcd770d1f864a793),
            uint256(0x1c960180e44224e6fc552fbb856a4e6b70391d8927189851733887e62a5bc5d6)
        ];
    }

    function b2() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x1bf45b9863c68cc9a4feb7e4949ccd48edd1484929ca85ed570d810a548861c0),
            uint256(0x094f1d618daad10051182576dc973b256d5fe90c7372398395ef71a99d8880ab),
            uint256(0x12c687a052e851022c4ae02418ac0fcd6c392148292545326ea04d9ed4d82409),
            uint256(0x2748d25f102792775e48e0d6b98642eeb651cc5b03695398030ae8b7c14ed086)
        ];
    }

    function bPlusSigma12() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x0a4a3a9902093f2a8aa771c1f6d0a96b2733de708a7d1d3df01fb5c3ed715dd9),
            uint256(0x1bf65f66d63442ae7416786779f616139dfb5d003934ab4c9ddd2218cc8c394a),
            uint256(0x1164cd60528b6596d423e5e201e6493c6cd652ed9facc6b4a0cdb3e80ab621a7),
            uint256(0x08a04e3877832b2719e14508035390fe0dfd768b09988184beb93b72668c5233)
        ];
    }

    function bPlusGamma2() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x1724b5e8c9af3d8c193ed45af8867b0f62732f01b42d44ef1b440071fd9beb66),
            uint256(0x01ff624cdac4ca0de16de82e155806ddba933dc86d51e3a29dca29b917ae4de4),
            uint256(0x1d2779d95bd354a96e98dc8bbcad19960190249b2cbbdad6ef836410d081d02b),
            uint256(0x18c52e1814058e8bcec872ff619c9a8c3e5358e451b3ec7380431ce8700f070f)
        ];
    }

    function one2() internal pure returns (uint256[4] memory) {
        return [
            uint256(0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2),
            uint256(0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed),
            uint256(0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b),
            uint256(0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa)
        ];
    }
}

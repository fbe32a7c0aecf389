//! The template dependency structure: what the frames of a stream can be, told once a key frame (AV1 RTP specification
//! 1.0, A.8.3).

use arrayvec::ArrayVec;

use super::bits::BitReader;

/// Templates of one structure: their ids have six bits. A structure with more is refused.
pub const TEMPLATES_MAX: usize = 64;

/// Decode targets of one structure: their count has five bits.
pub const DECODE_TARGETS_MAX: usize = 32;

/// Highest spatial layer. A structure with more layers is refused (A.8.3: `MaxSpatialId` is 3 at most).
pub const SPATIAL_LAYER_MAX: u8 = 3;

/// Highest temporal layer. A structure with more layers is refused (A.8.3: `MaxTemporalId` is 7 at most).
pub const TEMPORAL_LAYER_MAX: u8 = 7;

/// What one kind of frame has in common. A frame may say otherwise in each point but its layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) spatial_layer: u8,
    pub(super) temporal_layer: u8,
    /// What the frame is to each decode target, two bits each, the first in the lowest; 0 for "not part of it".
    pub(super) targets: u64,
    /// Distances of the frames that it is predicted from, 1 to 16: bit 0 for 1.
    pub(super) distances: u16,
}

/// A template dependency structure, as far as layers need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Structure {
    pub(super) id_offset: u8,
    pub(super) templates: ArrayVec<Template, TEMPLATES_MAX>,
    /// Spatial and temporal layer of each decode target.
    pub(super) target_layers: ArrayVec<(u8, u8), DECODE_TARGETS_MAX>,
}

impl Structure {
    /// Reads a structure; `None` when it ends too early or breaks a bound.
    pub(super) fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let mut structure = Self { id_offset: bits.bits(6)? as u8, ..Self::default() };
        let targets = bits.bits(5)? as usize + 1;
        structure.read_layers(bits)?;
        structure.read_targets(bits, targets)?;
        structure.read_distances(bits)?;
        skip_chains(bits, targets as u32, structure.templates.len())?;
        structure.derive_target_layers(targets);
        if bits.flag()? {
            let spatial_layers = structure.templates.last()?.spatial_layer + 1;
            for _ in 0..spatial_layers {
                bits.bits(32)?;
            }
        }
        Some(structure)
    }

    /// The template that a frame names.
    pub(super) fn template(&self, id: u8) -> Option<&Template> {
        self.templates.get(usize::from((id + 64 - self.id_offset) % 64))
    }

    /// The decode targets that a viewer of these layers at most can use, one bit each, the first in the lowest.
    pub(super) fn targets_within(&self, spatial_layer: u8, temporal_layer: u8) -> u32 {
        let within = |(spatial, temporal): &(u8, u8)| *spatial <= spatial_layer && *temporal <= temporal_layer;
        let targets = self.target_layers.iter().enumerate();
        targets.filter(|(_, layers)| within(layers)).fold(0, |mask, (target, _)| mask | 1 << target)
    }

    /// Tells whether a frame with these `targets` serves one of a higher spatial layer than `spatial_layer`.
    pub(super) fn serves_above(&self, targets: u64, spatial_layer: u8) -> bool {
        let layers = self.target_layers.iter().enumerate();
        layers.into_iter().any(|(target, (spatial, _))| *spatial > spatial_layer && targets >> (2 * target) & 3 != 0)
    }

    fn read_layers(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let (mut spatial_layer, mut temporal_layer) = (0, 0);
        loop {
            self.templates.try_push(Template { spatial_layer, temporal_layer, ..Template::default() }).ok()?;
            match bits.bits(2)? {
                0 => {}
                1 => temporal_layer += 1,
                2 => (spatial_layer, temporal_layer) = (spatial_layer + 1, 0),
                _ => return Some(()),
            }
            if spatial_layer > SPATIAL_LAYER_MAX || temporal_layer > TEMPORAL_LAYER_MAX {
                return None;
            }
        }
    }

    fn read_targets(&mut self, bits: &mut BitReader<'_>, targets: usize) -> Option<()> {
        self.templates.iter_mut().try_for_each(|template| {
            template.targets = read_targets(bits, targets)?;
            Some(())
        })
    }

    fn read_distances(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        for template in &mut self.templates {
            while bits.flag()? {
                template.distances |= 1 << bits.bits(4)?;
            }
        }
        Some(())
    }

    /// A decode target has the highest layers of the frames that are part of it (A.8.3, `decode_target_layers`).
    fn derive_target_layers(&mut self, targets: usize) {
        for target in 0..targets {
            let parts = self.templates.iter().filter(|template| template.targets >> (2 * target) & 3 != 0);
            let layers = parts.fold((0, 0), |(spatial, temporal), part| {
                (part.spatial_layer.max(spatial), part.temporal_layer.max(temporal))
            });
            self.target_layers.push(layers);
        }
    }
}

/// What a frame is to each of so many decode targets.
pub(super) fn read_targets(bits: &mut BitReader<'_>, targets: usize) -> Option<u64> {
    let mut read = 0;
    for target in 0..targets {
        read |= u64::from(bits.bits(2)?) << (2 * target);
    }
    Some(read)
}

fn skip_chains(bits: &mut BitReader<'_>, targets: u32, templates: usize) -> Option<()> {
    let chains = bits.below(targets + 1)?;
    if chains == 0 {
        return Some(());
    }
    for _ in 0..targets {
        bits.below(chains)?;
    }
    for _ in 0..templates * chains as usize {
        bits.bits(4)?;
    }
    Some(())
}

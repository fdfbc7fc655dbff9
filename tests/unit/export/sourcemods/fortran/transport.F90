! Our own small stand-in for the diffusivity part of CTSM's vertical transport: same routine and variable names.
module SoilBiogeochemLittVertTranspMod
  use shr_kind_mod, only : r8 => shr_kind_r8
  use decompMod, only : bounds_type
  use ncdio_pio, only : file_desc_t, ncd_io
  use ActiveLayerMod, only : active_layer_type
  use SoilBiogeochemStateType, only : soilbiogeochem_state_type
  use SoilBiogeochemCarbonStateType, only : soilbiogeochem_carbonstate_type
  use SoilBiogeochemCarbonFluxType, only : soilbiogeochem_carbonflux_type
  use SoilBiogeochemNitrogenStateType, only : soilbiogeochem_nitrogenstate_type
  use SoilBiogeochemNitrogenFluxType, only : soilbiogeochem_nitrogenflux_type
  implicit none
  private
  public :: readParams, SoilBiogeochemLittVertTransp
  real(r8) :: file_som_diffus, file_cryoturb, file_limit
  real(r8) :: som_diffus, cryoturb_diffusion_k, max_altdepth_cryoturbation
  real(r8), public :: max_depth_cryoturb = 3._r8
contains
  subroutine readParams(ncid)
    type(file_desc_t), intent(inout) :: ncid
    call ncd_io('som_diffus', file_som_diffus, 'read', ncid)
    call ncd_io('cryoturb_diffusion_k', file_cryoturb, 'read', ncid)
    call ncd_io('max_altdepth_cryoturbation', file_limit, 'read', ncid)
  end subroutine readParams

  subroutine SoilBiogeochemLittVertTransp(bounds, num_bgc_soilc, filter_bgc_soilc, &
       active_layer_inst, soilbiogeochem_state_inst, &
       soilbiogeochem_carbonstate_inst, soilbiogeochem_carbonflux_inst, &
       c13_soilbiogeochem_carbonstate_inst, c13_soilbiogeochem_carbonflux_inst, &
       c14_soilbiogeochem_carbonstate_inst, c14_soilbiogeochem_carbonflux_inst, &
       soilbiogeochem_nitrogenstate_inst, soilbiogeochem_nitrogenflux_inst)
    use clm_varpar, only : nlevdecomp
    use clm_varcon, only : zsoi, zisoi
    use ColumnType, only : col
    type(bounds_type)                       , intent(in)    :: bounds
    integer                                 , intent(in)    :: num_bgc_soilc
    integer                                 , intent(in)    :: filter_bgc_soilc(:)
    type(active_layer_type)                 , intent(in)    :: active_layer_inst
    type(soilbiogeochem_state_type)         , intent(inout) :: soilbiogeochem_state_inst
    type(soilbiogeochem_carbonstate_type)   , intent(inout) :: soilbiogeochem_carbonstate_inst
    type(soilbiogeochem_carbonflux_type)    , intent(inout) :: soilbiogeochem_carbonflux_inst
    type(soilbiogeochem_carbonstate_type)   , intent(inout) :: c13_soilbiogeochem_carbonstate_inst
    type(soilbiogeochem_carbonflux_type)    , intent(inout) :: c13_soilbiogeochem_carbonflux_inst
    type(soilbiogeochem_carbonstate_type)   , intent(inout) :: c14_soilbiogeochem_carbonstate_inst
    type(soilbiogeochem_carbonflux_type)    , intent(inout) :: c14_soilbiogeochem_carbonflux_inst
    type(soilbiogeochem_nitrogenstate_type) , intent(inout) :: soilbiogeochem_nitrogenstate_inst
    type(soilbiogeochem_nitrogenflux_type)  , intent(inout) :: soilbiogeochem_nitrogenflux_inst
    real(r8) :: dz_node(1:nlevdecomp+1), alt, fade
    integer  :: fc, c, j
    associate(                                                             &
         altmax          => active_layer_inst%altmax_col                 , &
         altmax_lastyear => active_layer_inst%altmax_lastyear_col        , &
         som_diffus_coef => soilbiogeochem_state_inst%som_diffus_coef_col  &
         )
      som_diffus = file_som_diffus
      cryoturb_diffusion_k = file_cryoturb
      max_altdepth_cryoturbation = file_limit
      do fc = 1, num_bgc_soilc
         c = filter_bgc_soilc (fc)
         alt = max(altmax(c), altmax_lastyear(c))
         som_diffus_coef(c,:) = 0._r8
         do j = 1, min(nlevdecomp+1, col%nbedrock(c)+1)
            fade = 1._r8 - (zisoi(j) - alt) / (min(max_depth_cryoturb, zisoi(col%nbedrock(c)+1)) - alt)
            if (alt <= 0._r8) cycle
            if (alt > max_altdepth_cryoturbation) then
               som_diffus_coef(c,j) = som_diffus
            else if (zisoi(j) < alt) then
               som_diffus_coef(c,j) = cryoturb_diffusion_k
            else
               som_diffus_coef(c,j) = max(cryoturb_diffusion_k * fade, 0._r8)
            end if
         end do
      end do
      ! the distance of each node from the one above it
      dz_node(1) = zsoi(1)
      do j = 2, nlevdecomp+1
         dz_node(j) = zsoi(j) - zsoi(j-1)
      end do
    end associate
  end subroutine SoilBiogeochemLittVertTransp
end module SoilBiogeochemLittVertTranspMod
